package source

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
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

func parseEntries(messages []redis.XMessage) ([]entry, error) {
	entries := make([]entry, len(messages))
	for i, m := range messages {
		ms, err := parseMS(m.ID)
		if err != nil {
			return nil, err
		}
		kind, text := content(m.Values)
		entries[i] = entry{m.ID, ms, kind, text}
	}
	return entries, nil
}

// content finds what an entry's fields say: the payload is in the field m; or the message's fields
// are the entry's own; or the only field, whatever its name, is a JSON object. Of an entry's own
// fields a text that is a number becomes one, and whatever else stands there is for the message's
// decoder to reject.
func content(fields map[string]any) (kind, string) {
	value := func(name string) (string, bool) {
		v, ok := fields[name].(string)
		return v, ok
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
	case len(fields) == 1:
		if _, is := fields[fieldTick]; is {
			return tick, ""
		}
		for _, v := range fields {
			text, _ := v.(string)
			if strings.HasPrefix(strings.TrimLeft(text, " \t\r\n\ufeff"), "{") {
				return payload, text
			}
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
func describe(fields map[string]any) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		texts = append(texts, fmt.Sprintf("%s=%q", name, fields[name]))
	}
	return strings.Join(texts, " ")
}

// Milliseconds gives the time of an entry's id, 0 if it is none.
func Milliseconds(id string) int64 {
	ms, _ := parseMS(id)
	return ms
}
