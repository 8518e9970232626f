package source

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"colorstream/generator/message"
)

// The reasons to reject an object without a field, or with one of another type.
var (
	absent = [...]message.Reason{
		message.ColorMissing, message.NameType, message.ValueMissing, message.TimeInvalid,
	}
	mistyped = [...]message.Reason{
		message.ColorType, message.NameType, message.ValueType, message.TimeInvalid,
	}
)

// extract takes the texts of the fields out of j.text, which is a valid JSON object.
func (j *jsonRows) extract(r *row) error {
	if !utf8.Valid(j.text) {
		return wrong(message.InvalidUTF8, "the object is not valid UTF-8")
	}
	j.members = members(j.members[:0], j.text)
	for i := range j.fields {
		f := &j.fields[i]
		if f.constant {
			continue
		}
		raw, err := find(j.members, f.name)
		switch {
		case err != nil:
			return err
		case raw == nil && f.optional, bytes.Equal(raw, []byte("null")):
			continue
		case raw == nil:
			return wrong(absent[i], "there is no field %q for the %s: set %s to one of %q",
				f.name, f.role, f.variable, j.names())
		}
		var ok bool
		if r.texts[i], ok = text(raw, i == colorField || i == nameField); !ok {
			return wrong(mistyped[i], "%s %s is neither a string nor a number (field %q)",
				f.role, quote(string(raw)), f.name)
		} else if message.HasHalfSurrogate(string(raw)) {
			return wrong(message.InvalidUTF8, "%s has half of a surrogate pair (field %q)",
				f.role, f.name)
		}
	}
	return nil
}

// A member is a field of an object: the key between its quotation marks, and the value.
type member struct{ key, value []byte }

// find returns the value of an object's field, nil if there is none. The name a.b means the field
// of this name, else the field b of the object a.
func find(object []member, name string) (value []byte, err error) {
	for _, m := range object {
		if string(m.key) != name && (bytes.IndexByte(m.key, '\\') < 0 || unescape(m.key) != name) {
			continue
		}
		if value != nil {
			return nil, wrong(message.DuplicateField, "field %q stands twice", name)
		}
		value = m.value
	}
	for i := 0; value == nil && err == nil && i < len(name); i++ {
		if name[i] != '.' {
			continue
		}
		var outer []byte
		if outer, err = find(object, name[:i]); bytes.HasPrefix(outer, []byte("{")) {
			value, err = find(members(nil, outer), name[i+1:])
		}
	}
	return value, err
}

// members appends the fields of a valid JSON object to a list.
func members(list []member, object []byte) []member {
	for rest := skip(object[1:]); rest[0] != '}'; rest = skip(rest) {
		n := valueLength(rest)
		key := rest[1 : n-1]
		rest = skip(rest[n:])
		n = valueLength(rest)
		list = append(list, member{key, rest[:n]})
		rest = rest[n:]
	}
	return list
}

// skip drops what stands between keys and values.
func skip(s []byte) []byte {
	for isSpace(s[0]) || s[0] == ',' || s[0] == ':' {
		s = s[1:]
	}
	return s
}

// valueLength is the length of the JSON value that a text begins with, and that something follows.
func valueLength(s []byte) int {
	if s[0] != '{' && s[0] != '[' && s[0] != '"' {
		return bytes.IndexAny(s, ",]} \t\r\n") // the end of a number or word
	}
	var n nesting
	for i, c := range s {
		if n.closes(c) {
			return i + 1
		}
	}
	return len(s)
}

// text is a field's text: that of a string or a number, and of true and false for a word.
func text(raw []byte, word bool) (string, bool) {
	switch c := raw[0]; {
	case c == '"':
		return strings.TrimSpace(unescape(raw[1 : len(raw)-1])), true
	case c == '-' || c >= '0' && c <= '9', (c == 't' || c == 'f') && word:
		return string(raw), true
	}
	return "", false
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

func (j *jsonRows) names() (names []string) {
	for _, m := range j.members {
		names = append(names, unescape(m.key))
	}
	return names
}
