package message

import (
	"encoding/json"
	"strings"
)

// nextStrict reads the first message of a payload, whatever its shape, and returns what follows.
func nextStrict(payload string) (m Message, rest string, err error) {
	text := strings.TrimLeft(strings.TrimPrefix(payload, byteOrderMark), space)
	if text == "" {
		return Message{}, "", &Error{Empty, "the message is empty"}
	}
	n := valueLen(text)
	first, rest := text[:n], text[n:]
	var syntax error
	if !json.Valid([]byte(first)) {
		first, rest, _ = strings.Cut(text, "\n")
		syntax = json.Unmarshal([]byte(first), new(json.RawMessage))
	}
	err = checkUnicode(first)
	switch {
	case err != nil:
	case syntax != nil:
		err = errorf(NotJSON, "the message is not JSON: %v", syntax)
	case first[0] != '{':
		err = &Error{NotObject, "the message is not a JSON object"}
	default:
		m, err = decodeObject(first)
	}
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

// decodeObject reads a JSON object field by field, so that it sees what a decoder into a struct
// hides: names in another case, and duplicates.
func decodeObject(text string) (m Message, err error) {
	d := json.NewDecoder(strings.NewReader(text)) // it is valid: nothing fails
	_, _ = d.Token()
	seen := make(map[string]bool, 4)
	for d.More() {
		key, _ := d.Token()
		name, _ := key.(string)
		var raw json.RawMessage
		_ = d.Decode(&raw)
		switch {
		case seen[name]:
			err = errorf(DuplicateField, "field %.40q stands twice", name)
		case name == "color":
			m.Color, err = parseColor(raw)
		case name == "name":
			m.Name, err = parseName(raw)
		case name == "value":
			m.Value, err = parseValue(raw)
		case name == "ts":
			m.Time, err = parseTime(raw)
		}
		if err != nil {
			return Message{}, err
		}
		seen[name] = true
	}
	switch {
	case !seen["color"]:
		return Message{}, &Error{ColorMissing, "there is no color"}
	case !seen["value"]:
		return Message{}, &Error{ValueMissing, "there is no value"}
	}
	return m, nil
}

func parseColor(raw json.RawMessage) (string, error) {
	text, ok := asString(raw)
	if !ok {
		return "", errorf(ColorType, "color must be a string, not %.40s", raw)
	}
	text = strings.Trim(text, " ")
	return text, validColor(text)
}

func parseName(raw json.RawMessage) (string, error) {
	text, ok := asString(raw)
	if !ok && !isNull(raw) {
		return "", errorf(NameType, "name must be a string, not %.40s", raw)
	}
	return text, nil
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func isNumber(raw json.RawMessage) bool { return raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9' }

func asString(raw json.RawMessage) (string, bool) {
	if raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}
