package message

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// decodeStrict reads any message, field by field, so that it sees what a decoder into a struct
// hides: names in another case, duplicates, replaced bytes. An error is NotJSON exactly if text is
// no JSON.
func decodeStrict(text string) (Message, error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	first, err := d.Token()
	if err != nil {
		return Message{}, notJSON(err)
	}
	if first == json.Delim('[') && !json.Valid([]byte(text)) {
		return Message{}, &Error{NotJSON, "the message is not JSON: it begins with [ and is no array"}
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

// fields collects an object's fields. The first wrong one is kept, not returned, so that text which
// is no JSON at all is called that, whatever stood before.
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
		f.fail(errorf(DuplicateField, "field %.40q stands twice", name))
		return nil
	}
	f.seen[name] = true
	switch name {
	case "color":
		f.color(raw)
	case "name":
		f.name(raw)
	case "value":
		f.value(raw)
	case "ts":
		f.time(raw)
	}
	return nil
}

func (f *fields) color(raw json.RawMessage) {
	text, ok := asString(raw)
	if !ok {
		f.fail(errorf(ColorType, "color must be a string, not %.40s", raw))
		return
	}
	f.m.Color = strings.Trim(text, " ")
	f.fail(validColor(f.m.Color))
}

func (f *fields) name(raw json.RawMessage) {
	text, ok := asString(raw)
	if !ok && !isNull(raw) {
		f.fail(errorf(NameType, "name must be a string, not %.40s", raw))
	}
	f.m.Name = text
}

func (f *fields) value(raw json.RawMessage) {
	if !isNumber(raw) {
		f.fail(errorf(ValueType, "value must be a number, not %.40s", raw))
		return
	}
	var err error
	f.m.Value, err = parseValue(string(raw))
	f.fail(err)
}

func (f *fields) time(raw json.RawMessage) {
	var err error
	text, ok := asString(raw)
	switch {
	case isNull(raw):
	case ok:
		f.m.Time, err = parseTimeText(text)
	case isNumber(raw):
		f.m.Time, err = parseTimeNumber(string(raw))
	default:
		err = errorf(TimeInvalid, "ts must be a number or a string, not %.40s", raw)
	}
	f.fail(err)
}

// fail keeps the first error.
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
