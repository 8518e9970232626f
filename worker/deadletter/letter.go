// Package deadletter keeps what could not be processed where a person can look at it: in a Redis
// stream, capped at about 10 000 entries.
//
//	XREVRANGE colors:rejected + - COUNT 10
//
// An entry has the fields reason (a word, as in the metrics), payload (the first 4 KiB of the
// message) and at (when it was received, RFC 3339 in UTC).
//
// A [Collector] gathers the letters of one commit, the store saves them with it, and a [Writer]
// brings them from the store to Redis. Each is written at least once, to as many replicas as
// REDIS_REPLICAS says, and again after a lost answer or a failover. Letters are a help, not a
// tally: past the collector's bound and the store's they are only counted.
package deadletter

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
)

// MaxPayload is how many bytes of a payload are kept.
const MaxPayload = 4 << 10

// A Letter is a message that was rejected. Its payload need not be valid UTF-8.
type Letter struct {
	Reason  string
	Payload string
	At      time.Time
}

// An encoded letter is a line of JSON. Its payload is bytes, so that all of them come through.
type encoded struct {
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Payload []byte    `json:"payload"`
}

// Append appends the letter, encoded, to dst. It cuts the payload to [MaxPayload] bytes.
func (l Letter) Append(dst []byte) []byte {
	payload := []byte(l.Payload[:min(len(l.Payload), MaxPayload)])
	line, err := json.Marshal(encoded{l.At.UTC(), l.Reason, payload})
	if err != nil {
		panic(err) // a time, a string and bytes
	}
	return append(append(dst, line...), '\n')
}

// Decode decodes letters, up to one that is damaged.
func Decode(data []byte) ([]Letter, error) {
	var letters []Letter
	for line := range bytes.Lines(data) {
		var e encoded
		if err := json.Unmarshal(line, &e); err != nil {
			return letters, fmt.Errorf("decode a dead letter: %w", err)
		}
		letters = append(letters, Letter{e.Reason, string(e.Payload), e.At})
	}
	return letters, nil
}
