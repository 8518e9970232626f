package source

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The fields of an entry. Package store and the generator write them, too.
const (
	fieldPayload = "m" // one or more messages
	fieldBatch   = "n" // the number of a batch, which readers need not know
	fieldTick    = "t" // no message: time passes
)

// ReasonFields is why an entry is rejected that holds no message.
const ReasonFields = "fields"

// A kind is what an entry holds.
type kind int

const (
	tick kind = iota
	payload
	rejected
)

// An entry is one of a stream's.
type entry struct {
	id   string
	ms   int64
	kind kind
	text string // the payload, or the fields of what is rejected
}

func (e entry) at() int64 { return e.ms * int64(time.Millisecond) }

// parseMS reads the milliseconds of an entry's id, "<ms>-<number>".
func parseMS(id string) (int64, error) {
	text, _, _ := strings.Cut(id, "-")
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms < 0 || ms > (1<<63-1)/int64(time.Millisecond) {
		return 0, fmt.Errorf("stream entry id %q is not milliseconds-number, before the year 2262", id)
	}
	return ms, nil
}

// parseEntries reads entries as XREAD and XRANGE answer them: [[id, [field, value, …]], …].
func parseEntries(reply any) ([]entry, error) {
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("stream entries are not understood: %.100v", reply)
	}
	entries := make([]entry, 0, len(list))
	for _, item := range list {
		pair, ok := item.([]any)
		if !ok || len(pair) != 2 {
			return nil, fmt.Errorf("a stream entry is not understood: %.100v", item)
		}
		id, _ := pair[0].(string)
		ms, err := parseMS(id)
		if err != nil {
			return nil, err
		}
		fields, _ := pair[1].([]any)
		e := entry{id: id, ms: ms}
		e.kind, e.text = content(fields)
		entries = append(entries, e)
	}
	return entries, nil
}

// content finds what an entry's fields say: the payload is in the field m; or the message's fields
// are the entry's own; or the only field, whatever its name, is a JSON object. Of an entry's own
// fields a text that is a number becomes one, and whatever else stands there is for the message's
// decoder to reject.
func content(fields []any) (kind, string) {
	value := func(name string) (string, bool) {
		for i := 0; i+1 < len(fields); i += 2 {
			if fields[i] == name {
				v, ok := fields[i+1].(string)
				return v, ok
			}
		}
		return "", false
	}
	if m, ok := value(fieldPayload); ok {
		return payload, m
	}
	color, hasColor := value("color")
	v, hasValue := value("value")
	switch {
	case hasColor && hasValue:
		text := `{"color":` + quote(color) + `,"value":` + number(v)
		if name, ok := value("name"); ok {
			text += `,"name":` + quote(name)
		}
		if ts, ok := value("ts"); ok {
			text += `,"ts":` + number(ts)
		}
		return payload, text + "}"
	case len(fields) == 2:
		v, _ := fields[1].(string)
		if fields[0] == fieldTick {
			return tick, ""
		}
		if strings.HasPrefix(strings.TrimLeft(v, " \t\r\n\ufeff"), "{") {
			return payload, v
		}
	}
	return rejected, describe(fields)
}

// number gives a text as a JSON number if it is one, else as a string.
func number(text string) string {
	text = strings.TrimSpace(text)
	if text != "" && strings.Contains("-0123456789", text[:1]) && json.Valid([]byte(text)) {
		return text
	}
	return quote(text)
}

// quote makes a JSON string of a text. What is not valid UTF-8 stays so, for the decoder to reject.
func quote(text string) string {
	b := []byte{'"'}
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

// describe shows fields to a person.
func describe(fields []any) string {
	var b strings.Builder
	for i := 0; i+1 < len(fields); i += 2 {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%v=%q", fields[i], fields[i+1])
	}
	return b.String()
}

// Milliseconds gives the time of an entry's id, 0 if it is none.
func Milliseconds(id string) int64 {
	ms, _ := parseMS(id)
	return ms
}
