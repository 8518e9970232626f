// Package deadletter keeps what could not be processed where a person can look at it: in a Redis
// stream, capped at about 10 000 entries.
//
//	XREVRANGE colors:rejected + - COUNT 10
//
// An entry has the fields reason (a word, as in the metrics), payload (the first 4 KiB of the
// message) and at (when it was received, RFC 3339 in UTC).
//
// A [Collector] gathers the letters of one commit, the store saves them with it, and a [Writer]
// brings them from the store to Redis. Each is written at least once. Letters are a help, not a
// ledger: past the collector's bound, and when Redis refuses them for good, they are only counted.
package deadletter

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
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

// Encoded letters are lines, each ended by a line break. Tabs separate a line's four fields:
//
//	| field    | form                                           | example             |
//	|----------|------------------------------------------------|---------------------|
//	| checksum | CRC-32C of the line after it, eight hex digits | c168dcf0            |
//	| at       | nanoseconds since 1970, decimal                | 1767323045678000000 |
//	| reason   | escaped                                        | color               |
//	| payload  | escaped                                        | {"value":1}         |
//
// Backslash, tab and line break are escaped as \\, \t and \n.
var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	escaper    = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`)
	unescaper  = strings.NewReplacer(`\\`, `\`, `\t`, "\t", `\n`, "\n")
)

// Append appends the letter, encoded, to dst. It cuts the payload to [MaxPayload] bytes.
func (l Letter) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, "00000000\t"...)
	dst = strconv.AppendInt(dst, l.At.UnixNano(), 10)
	dst = append(append(dst, '\t'), escaper.Replace(l.Reason)...)
	dst = append(append(dst, '\t'), escaper.Replace(l.Payload[:min(len(l.Payload), MaxPayload)])...)
	copy(dst[start:], checksum(dst[start+8:]))
	return append(dst, '\n')
}

func checksum(rest []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(rest, castagnoli))
}

// Decode decodes letters. Its error says how many lines are damaged; it returns all others.
func Decode(data []byte) ([]Letter, error) {
	letters := make([]Letter, 0, bytes.Count(data, []byte("\n")))
	damaged := 0
	for line := range bytes.Lines(data) {
		l, err := decode(line)
		if err != nil {
			damaged++
			continue
		}
		letters = append(letters, l)
	}
	if damaged > 0 {
		return letters, fmt.Errorf("%d encoded dead letters are damaged", damaged)
	}
	return letters, nil
}

var errDamaged = errors.New("damaged")

func decode(line []byte) (Letter, error) {
	text, ended := bytes.CutSuffix(line, []byte("\n"))
	fields := strings.Split(string(text), "\t")
	if !ended || len(fields) != 4 || fields[0] != checksum(text[len(fields[0]):]) {
		return Letter{}, errDamaged
	}
	at, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return Letter{}, errDamaged
	}
	return Letter{
		Reason:  unescaper.Replace(fields[2]),
		Payload: unescaper.Replace(fields[3]),
		At:      time.Unix(0, at).UTC(),
	}, nil
}
