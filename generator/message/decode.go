package message

import (
	"encoding/json"
	"strings"
)

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

func nextStrict(payload string) (m Message, rest string, err error) {
	text := strings.TrimLeft(strings.TrimPrefix(payload, byteOrderMark), space)
	if text == "" {
		return Message{}, "", &Error{Empty, "the message is empty"}
	}
	n := valueLen(text)
	first, rest := text[:n], text[n:]
	if !json.Valid([]byte(first)) {
		first, rest, _ = strings.Cut(text, "\n")
	}
	if err := checkUnicode(first); err != nil {
		return Message{}, rest, err
	}
	m, err = decodeStrict(first)
	return m, rest, err
}

// maxDepth bounds how deep objects and arrays may be nested, and with it the work for a payload of
// lines that each open one and never close it.
const maxDepth = 100

// valueLen is the length of the object or array that s begins with, or 0 if there is none that
// ends. It finds brackets and strings only; whether they make JSON is for the decoder to tell.
func valueLen(s string) int {
	if s[0] != '{' && s[0] != '[' {
		return 0
	}
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{', '[':
			if depth++; depth > maxDepth {
				return 0
			}
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				} else if s[i] < ' ' {
					return 0
				}
			}
		}
	}
	return 0
}
