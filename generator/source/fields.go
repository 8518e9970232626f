package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"unicode/utf8"

	"colorstream/generator/message"
)

// extract takes the texts of the fields out of j.text, which is a valid JSON object.
func (j *jsonRows) extract() (r row, err error) {
	if !utf8.Valid(j.text) {
		return r, &message.Error{Reason: message.InvalidUTF8, Detail: "the object is not valid UTF-8"}
	}
	for i, to := range []*string{&r.color, &r.name, &r.value, &r.time} {
		f := j.fields[i]
		if f.constant {
			continue
		}
		raw, err := find(j.text, f.name)
		switch {
		case err != nil:
			return r, err
		case raw == nil && f.optional, bytes.Equal(raw, []byte("null")):
			continue
		case raw == nil:
			return r, j.missing(f)
		}
		if *to, err = text(raw, f); err != nil {
			return r, err
		}
	}
	return r, nil
}

// find returns the value of an object's field, nil if there is none. The name a.b means the field of
// this name, else the field b of the object a.
func find(object []byte, name string) (value []byte, err error) {
	for key, v := range members(object) {
		if string(key) != name && (bytes.IndexByte(key, '\\') < 0 || unescape(key) != name) {
			continue
		}
		if value != nil {
			return nil, &message.Error{
				Reason: message.DuplicateField,
				Detail: fmt.Sprintf("field %q stands twice", name),
			}
		}
		value = v
	}
	if value != nil {
		return value, nil
	}
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		outer, err := find(object, name[:i])
		if err != nil {
			return nil, err
		}
		if bytes.HasPrefix(outer, []byte("{")) {
			if value, err := find(outer, name[i+1:]); value != nil || err != nil {
				return value, err
			}
		}
	}
	return nil, nil
}

// members are the fields of a valid JSON object: the key between its quotation marks, and the value.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		rest := object[1:]
		for {
			rest = bytes.TrimLeft(rest, ", \t\r\n")
			if rest[0] == '}' {
				return
			}
			n := valueLength(rest)
			key := rest[1 : n-1]
			rest = bytes.TrimLeft(rest[n:], ": \t\r\n")
			n = valueLength(rest)
			if !yield(key, rest[:n]) {
				return
			}
			rest = rest[n:]
		}
	}
}

// valueLength is the length of the JSON value that a text begins with.
func valueLength(s []byte) int {
	depth, quoted := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case quoted:
			if c == '\\' {
				i++
			} else if c == '"' {
				if quoted = false; depth == 0 {
					return i + 1
				}
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case depth == 0 && (c == ',' || c == '}' || c == ']' || isSpace(c)):
			return i // the end of a number or word
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(s)
}

// text is a field's text: that of a string or a number. For a colour and a name, true and false are
// texts too.
func text(raw []byte, f field) (string, error) {
	switch c := raw[0]; {
	case c == '"':
		s := unescape(raw[1 : len(raw)-1])
		if strings.ContainsRune(s, utf8.RuneError) && !bytes.ContainsRune(raw, utf8.RuneError) &&
			!strings.Contains(strings.ToLower(string(raw)), `\ufffd`) {
			return "", &message.Error{
				Reason: message.InvalidUTF8,
				Detail: fmt.Sprintf("%s has half of a surrogate pair (field %q)", f.role, f.name),
			}
		}
		return strings.TrimSpace(s), nil
	case c == '-' || c >= '0' && c <= '9', (c == 't' || c == 'f') && (f.role == "color" || f.role == "name"):
		return string(raw), nil
	}
	reason := map[string]message.Reason{
		"color": message.ColorType, "name": message.NameType, "value": message.ValueType, "time": message.TimeInvalid,
	}[f.role]
	return "", &message.Error{
		Reason: reason,
		Detail: fmt.Sprintf("%s %s is neither a string nor a number (field %q)", f.role, quote(string(raw)), f.name),
	}
}

// unescape returns what a JSON string between its quotation marks means.
func unescape(raw []byte) string {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw)
	}
	var s string
	_ = json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &s) // it is valid
	return s
}

func (j *jsonRows) missing(f field) error {
	var names []string
	for key := range members(j.text) {
		names = append(names, unescape(key))
	}
	reason := map[string]message.Reason{
		"color": message.ColorMissing, "name": message.NameType, "value": message.ValueMissing, "time": message.TimeInvalid,
	}[f.role]
	return &message.Error{
		Reason: reason,
		Detail: fmt.Sprintf("there is no field %q for the %s: set %s to one of %q", f.name, f.role, f.variable, names),
	}
}
