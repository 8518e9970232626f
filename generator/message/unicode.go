package message

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// checkUnicode returns an error for what encoding/json would silently replace by U+FFFD.
func checkUnicode(text string) error {
	switch {
	case !utf8.ValidString(text):
		return &Error{InvalidUTF8, "the message is not valid UTF-8"}
	case hasHalfSurrogate(text):
		return &Error{InvalidUTF8, `the message has half of a surrogate pair (\ud800 to \udfff)`}
	}
	return nil
}

// hasHalfSurrogate reports whether s has a \u escape of half a surrogate pair.
func hasHalfSurrogate(s string) bool {
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			return false
		}
		if s[i+1] != 'u' {
			s = s[i+2:]
			continue
		}
		u, ok := unit(s[i:])
		if !ok {
			return false // not JSON; the decoder says so better
		}
		s = s[i+6:]
		switch {
		case u >= 0xdc00 && u < 0xe000:
			return true
		case u >= 0xd800 && u < 0xdc00:
			low, ok := unit(s)
			if !ok || low < 0xdc00 || low >= 0xe000 {
				return true
			}
			s = s[6:]
		}
	}
}

// unit reads the six bytes \uXXXX that s begins with.
func unit(s string) (uint64, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	u, err := strconv.ParseUint(s[2:6], 16, 16)
	return u, err == nil
}
