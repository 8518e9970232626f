package source

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"colorstream/generator/message"
)

// jsonRecords reads one JSON object a line, by the rules of package message, with fields under other names.
type jsonRecords struct {
	r      *bufio.Reader
	offset int64
	line   int
	long   []byte // holds a line that is longer than r's buffer
	o      Options
	plain  bool // the lines are messages as the worker reads them
	noName string
}

func newJSONLines(r *bufio.Reader, skipped int64, o Options) *jsonRecords {
	if o.TimeUnit == UnitAuto && o.Time.Name == "ts" {
		o.TimeUnit = UnitMS
	}
	return &jsonRecords{r: r, offset: skipped, o: o, noName: nameless(o), plain: o.TimeUnit == UnitMS &&
		o.Color.Name == "color" && o.Name.Name == "name" && o.Value.Name == "value" && o.Time.Name == "ts"}
}

func (j *jsonRecords) next() (Record, error) {
	for {
		text, err := j.readLine()
		if err != nil {
			return Record{}, err
		}
		if text = bytes.TrimSpace(text); len(text) == 0 {
			continue
		}
		if text[0] == '[' && j.line == 1 {
			return Record{}, errors.New("is a JSON array: it must have one object a line (jq -c '.[]' makes that of it)")
		}
		decode := j.decode
		if j.plain {
			decode = message.Decode
		}
		m, err := decode(string(text))
		if err != nil {
			return Record{}, refuse(j.line, j.offset, err)
		}
		return Record{Message: m, Line: j.line, Offset: j.offset}, nil
	}
}

// readLine returns the next line, the last one even if no line feed ends it.
func (j *jsonRecords) readLine() ([]byte, error) {
	j.line++
	j.long = j.long[:0]
	length := 0
	for {
		part, err := j.r.ReadSlice('\n')
		j.offset += int64(len(part))
		length += len(part)
		switch {
		case err == nil && length == len(part):
			return part, nil
		case length > MaxLine:
			j.long = nil
		default:
			j.long = append(j.long, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || length == 0):
			return nil, err
		case length > MaxLine:
			return nil, &Refused{j.line, TooLong, fmt.Sprintf("is longer than %d bytes", MaxLine), j.offset}
		}
		return j.long, nil
	}
}

// decode puts the mapped fields under their own names and lets package message judge the result, so that both
// have the same rules.
func (j *jsonRecords) decode(text string) (message.Message, error) {
	values, keys, err := object(text)
	if err != nil {
		if _, err := message.Decode(text); err != nil {
			return message.Message{}, err // it says better what is wrong
		}
		return message.Message{}, err
	}
	payload := []byte{'{'}
	for _, f := range []struct {
		Field
		key string
	}{{j.o.Color, "color"}, {j.o.Name, "name"}, {j.o.Value, "value"}, {j.o.Time, "ts"}} {
		found := values[f.Name]
		if len(found) == 0 {
			if f.Optional {
				continue
			}
			return message.Message{}, j.missing(f.Field, f.key, keys)
		}
		if len(found) > 1 {
			return message.Message{}, &message.Error{
				Reason: message.DuplicateField,
				Detail: fmt.Sprintf("field %q stands twice", f.Name),
			}
		}
		value := found[0]
		if f.key == "ts" {
			value = j.time(value)
		}
		if len(payload) > 1 {
			payload = append(payload, ',')
		}
		payload = fmt.Appendf(payload, "%q:%s", f.key, value)
	}
	m, err := message.Decode(string(append(payload, '}')))
	if e, ok := errors.AsType[*message.Error](err); ok {
		return m, &message.Error{Reason: e.Reason, Detail: e.Detail + j.renamed(e.Detail)}
	}
	if len(values[j.o.Name.Name]) == 0 {
		m.Name = j.noName
	}
	return m, err
}

// time turns a number of another unit into what a message's ts is; what it cannot turn it leaves, to be refused.
func (j *jsonRecords) time(value json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(value, &text) != nil {
		text = string(value)
	}
	if t, err := parseTime(text, j.o.TimeUnit); err == nil && !t.IsZero() {
		return t.AppendFormat(nil, `"2006-01-02T15:04:05.999999999Z07:00"`)
	}
	return value
}

// renamed tells which field of the input an error is about, if it is called otherwise there.
func (j *jsonRecords) renamed(detail string) string {
	key, _, _ := strings.Cut(detail, " ")
	for _, f := range []struct{ key, name string }{
		{"color", j.o.Color.Name}, {"name", j.o.Name.Name}, {"value", j.o.Value.Name}, {"ts", j.o.Time.Name},
	} {
		if f.key == key && f.name != key {
			return fmt.Sprintf(" (field %q)", f.name)
		}
	}
	return ""
}

func (j *jsonRecords) missing(f Field, key string, keys []string) error {
	reason := map[string]message.Reason{
		"color": message.ColorMissing, "value": message.ValueMissing, "name": message.NameType, "ts": message.TimeInvalid,
	}[key]
	return &message.Error{
		Reason: reason,
		Detail: fmt.Sprintf("there is no field %q for the %s: %s may be one of %q", f.Name, key, f.Variable, keys),
	}
}

// object reads a JSON object's fields, and their names in order.
func object(text string) (map[string][]json.RawMessage, []string, error) {
	d := json.NewDecoder(strings.NewReader(text))
	if first, err := d.Token(); err != nil || first != json.Delim('{') {
		return nil, nil, errors.New("is not a JSON object")
	}
	values := make(map[string][]json.RawMessage, 8)
	var keys []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		values[key.(string)] = append(values[key.(string)], value)
		keys = append(keys, key.(string))
	}
	if _, err := d.Token(); err != nil {
		return nil, nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, nil, errors.New("has more behind the JSON object")
	}
	return values, keys, nil
}
