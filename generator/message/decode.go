package message

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Decode reads one message. The error is an [*Error]. Color and Name may share payload's memory: clone what is
// kept for longer than the payload.
//
// The shape that AppendJSON writes is read without allocation; every other is read by a strict JSON decoder, and
// both agree on every payload (a fuzz test holds this).
func Decode(payload string) (Message, error) {
	if m, ok := scan(payload); ok {
		return m, nil
	}
	return decodeStrict(payload)
}

// decodeStrict reads any message, field by field, so that it sees what a decoder into a struct hides: names in
// another case, duplicates, replaced bytes.
func decodeStrict(payload string) (Message, error) {
	switch {
	case payload == "":
		return Message{}, &Error{Empty, "the message is empty"}
	case !utf8.ValidString(payload):
		return Message{}, &Error{InvalidUTF8, "the message is not valid UTF-8"}
	case hasHalfSurrogate(payload):
		return Message{}, &Error{InvalidUTF8, `the message has half of a surrogate pair (\ud800 to \udfff)`}
	}
	d := json.NewDecoder(strings.NewReader(payload))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return Message{}, notJSON(err)
	}
	if first != json.Delim('{') {
		return Message{}, &Error{NotObject, "the message is not a JSON object"}
	}
	f := fields{seen: make(map[string]bool, 4)}
	for d.More() {
		if err := f.read(d); err != nil {
			return Message{}, err
		}
	}
	if _, err := d.Token(); err != nil {
		return Message{}, notJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Message{}, &Error{TrailingData, "there is more after the JSON object"}
	}
	return f.message()
}

func notJSON(err error) *Error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Error{NotJSON, "the message is not JSON: it is cut short"}
	}
	return &Error{NotJSON, "the message is not JSON: " + err.Error()}
}

// fields collects an object's fields. The first wrong one is kept, not returned, so that text which is no JSON
// at all is called that, whatever stood before.
type fields struct {
	seen  map[string]bool
	m     Message
	wrong error
}

func (f *fields) read(d *json.Decoder) error {
	key, err := d.Token()
	if err != nil {
		return notJSON(err)
	}
	name := key.(string) // the decoder lets nothing else stand here
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return notJSON(err)
	}
	if f.seen[name] {
		f.fail(errorf(DuplicateField, "field %q stands twice", clip(name)))
		return nil
	}
	f.seen[name] = true
	switch name {
	case "color":
		if color, ok := asString(raw); !ok {
			f.fail(errorf(ColorType, "color must be a string, not %s", clip(string(raw))))
		} else if err := validColor(color); err != nil {
			f.fail(err)
		} else {
			f.m.Color = color
		}
	case "name":
		var ok bool
		if f.m.Name, ok = asString(raw); !ok {
			f.fail(errorf(NameType, "name must be a string, not %s", clip(string(raw))))
		}
	case "value":
		f.value(raw)
	case "ts":
		f.time(raw)
	}
	return nil
}

func (f *fields) value(raw json.RawMessage) {
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		f.fail(errorf(ValueType, "value must be a number, not %s", clip(string(raw))))
		return
	}
	var err error
	if f.m.Value, err = strconv.ParseFloat(string(raw), 64); err != nil {
		f.fail(errorf(ValueRange, "value %s does not fit a double", clip(string(raw))))
	}
}

func (f *fields) time(raw json.RawMessage) {
	text, isString := asString(raw)
	if !isString {
		ms, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			f.fail(errorf(TimeInvalid, "ts must be whole milliseconds since 1970 or an RFC 3339 string, not %s",
				clip(string(raw))))
			return
		}
		f.m.Time = time.UnixMilli(ms).UTC()
	} else if err := f.m.Time.UnmarshalText([]byte(text)); err != nil {
		f.fail(errorf(TimeInvalid, "ts %q is no RFC 3339 time", clip(text)))
		return
	}
	if f.m.Time.IsZero() || validTime(f.m.Time) != nil {
		f.fail(errorf(TimeRange, "ts %s is outside the years 1678 to 2262", clip(string(raw))))
	}
}

func (f *fields) fail(err error) {
	if f.wrong == nil {
		f.wrong = err
	}
}

func (f *fields) message() (Message, error) {
	switch {
	case f.wrong != nil:
		return Message{}, f.wrong
	case !f.seen["color"]:
		return Message{}, &Error{ColorMissing, "there is no color"}
	case !f.seen["value"]:
		return Message{}, &Error{ValueMissing, "there is no value"}
	}
	return f.m, nil
}

func asString(raw json.RawMessage) (string, bool) {
	if !bytes.HasPrefix(raw, []byte{'"'}) {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// hasHalfSurrogate finds a \u escape of half a surrogate pair: encoding/json would silently put U+FFFD there.
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

// clip keeps an error's text short whatever the sender sent.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
