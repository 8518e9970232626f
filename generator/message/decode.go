package message

import "strings"

const (
	space         = " \t\r\n" // JSON's white space
	byteOrderMark = "\ufeff"
)

// Decode reads a payload that holds exactly one message. The error is an [*Error]. Color and Name
// may share payload's memory: clone what is kept for longer than the payload.
func Decode(payload string) (Message, error) {
	m, n, err := Next(payload)
	if n < len(payload) && !hasReason(err, NotJSON) {
		return Message{}, &Error{TrailingData, "there is more after the JSON object"}
	}
	return m, err
}

// Next reads the first message of a payload and returns the number of bytes that it takes, with the
// white space behind it: payload[n:] is what follows, and n is 0 only if payload is "". The error
// is an [*Error]; n then includes all that was rejected with it. Color and Name may share payload's
// memory.
//
// The shape that AppendJSON writes is read without allocation; every other is read by a strict JSON
// decoder, and both agree on every payload (a fuzz test holds this).
func Next(payload string) (m Message, n int, err error) {
	rest, ok := scan(payload, &m)
	if !ok {
		m, rest, err = nextStrict(payload)
	}
	for rest != "" && strings.IndexByte(space, rest[0]) >= 0 { // cheaper than TrimLeft for one byte
		rest = rest[1:]
	}
	return m, len(payload) - len(rest), err
}
