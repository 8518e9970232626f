package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"colorstream/generator/message"
)

// jsonRows finds the objects in JSON: one a line, over several lines, or in one array. Lines that
// begin with # are comments. After an object that is not closed, reading goes on at the next line
// that begins with one.
type jsonRows struct {
	p       plain
	fields  [4]field
	line    int   // of the next byte
	offset  int64 // of the next byte
	array   bool  // inside of the array
	text    []byte
	members []member // of the object
}

func newJSON(p plain, fields [4]field) (*jsonRows, error) {
	for _, f := range fields {
		if f.number > 0 {
			return nil, fmt.Errorf("%s=%d: JSON has no columns with numbers: give the field's name",
				f.variable, f.number)
		}
	}
	return &jsonRows{p: p, fields: fields, line: 1, offset: p.skipped}, nil
}

func (j *jsonRows) next() (row, error) {
	for {
		c, err := j.read()
		switch {
		case errors.Is(err, io.EOF) && j.array:
			return row{}, fmt.Errorf("line %d: the array is not closed: the file is cut short", j.line)
		case err != nil:
			return row{}, err
		case isSpace(c), c == ',' && j.array:
			continue
		case c == '[' && !j.array && j.follows("{]"), c == ']' && j.array:
			j.array = !j.array
			continue
		case c == '{':
			return j.object()
		}
		line := j.line
		j.text = append(j.text[:0], c)
		if err := j.restOfLine(); err != nil {
			return row{}, err
		}
		if c != '#' {
			return row{}, reject(line, j.offset, invalid(j.text))
		}
	}
}

// object reads an object after its first brace.
func (j *jsonRows) object() (row, error) {
	line := j.line
	j.text = append(j.text[:0], '{')
	quoted, escaped := false, false
	for depth := 1; depth > 0; {
		c, err := j.read()
		if errors.Is(err, io.EOF) {
			return row{}, reject(line, j.offset, invalid(j.text))
		} else if err != nil {
			return row{}, err
		}
		j.text = append(j.text, c)
		switch {
		case len(j.text) > MaxLine:
			err := &Rejected{line, TooLong, fmt.Sprintf("is longer than %d bytes", MaxLine), 0}
			return row{}, j.resume(err)
		case c == '\n' && (quoted || j.objectFollows()):
			return row{}, j.resume(reject(line, 0, invalid(j.text)))
		case escaped:
			escaped = false
		case quoted:
			quoted, escaped = c != '"', c == '\\'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
	}
	for { // a line break that has come with the object is no reason to wait for another
		if c, _ := j.p.Peek(min(1, j.p.Buffered())); len(c) == 0 || !isSpace(c[0]) {
			break
		}
		_, _ = j.read()
	}
	if !json.Valid(j.text) {
		return row{}, reject(line, j.offset, invalid(j.text))
	}
	r, err := j.extract()
	if err != nil {
		return row{}, reject(line, j.offset, err)
	}
	r.line, r.offset = line, j.offset
	return r, nil
}

// follows reports whether the next character that is no space is one of these. It does not look
// further than the buffer.
func (j *jsonRows) follows(characters string) bool {
	for n := 1; ; n++ {
		head, err := j.p.Peek(n)
		if err != nil || !isSpace(head[n-1]) {
			return err == nil && strings.IndexByte(characters, head[n-1]) >= 0
		}
	}
}

// objectFollows reports whether an object begins with the next byte.
func (j *jsonRows) objectFollows() bool {
	next, _ := j.p.Peek(1)
	return len(next) == 1 && next[0] == '{'
}

// resume skips what is left of an object that is over: the line, and the following ones up to one
// that begins with an object if it was on several lines.
func (j *jsonRows) resume(rejected *Rejected) error {
	text := j.text
	if text[len(text)-1] != '\n' {
		if err := j.restOfLine(); err != nil {
			return err
		}
	}
	for j.line > rejected.Line+1 {
		next, _ := j.p.Peek(1)
		if len(next) == 0 || next[0] == '{' {
			break
		}
		if c, err := j.read(); err != nil {
			return err
		} else if isSpace(c) {
			continue
		}
		if err := j.restOfLine(); err != nil {
			return err
		}
	}
	rejected.Offset = j.offset
	return rejected
}

// restOfLine appends up to the line's end to the text, as much of it as may be.
func (j *jsonRows) restOfLine() error {
	for {
		c, err := j.read()
		switch {
		case errors.Is(err, io.EOF) || c == '\n':
			return nil
		case err != nil:
			return err
		case len(j.text) <= MaxLine:
			j.text = append(j.text, c)
		}
	}
}

// read returns the next byte and counts it.
func (j *jsonRows) read() (byte, error) {
	c, err := j.p.ReadByte()
	if err != nil {
		return 0, err
	}
	j.offset++
	if c == '\n' {
		j.line++
	}
	return c, nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// invalid says what is wrong with a text that is not a JSON object.
func invalid(text []byte) error {
	if _, err := message.Decode(strings.TrimSpace(string(text))); err != nil {
		return err
	}
	return errors.New("is not a JSON object")
}
