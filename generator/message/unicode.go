package message

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// checkUnicode returns an error for what encoding/json would silently replace by U+FFFD.
func checkUnicode(text string) error {
	switch {
	case !utf8.ValidString(text):
		return &Error{InvalidUTF8, "the message is not valid UTF-8"}
	case HasHalfSurrogate(text):
		return &Error{InvalidUTF8, `the message has half of a surrogate pair (\ud800 to \udfff)`}
	}
	return nil
}

// escapes finds the escapes of JSON strings: pairs of surrogates, halves of a pair (the group), and
// all others.
var escapes = regexp.MustCompile(`\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(u[dD][89a-fA-F]..)|.)`)

// HasHalfSurrogate reports whether a JSON text has a \u escape of half a surrogate pair.
func HasHalfSurrogate(s string) bool {
	if !strings.Contains(s, `\u`) {
		return false
	}
	return slices.ContainsFunc(escapes.FindAllStringSubmatch(s, -1),
		func(match []string) bool { return match[1] != "" })
}
