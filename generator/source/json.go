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
	p      plain
	fields [4]field
	line   int  // of the next byte
	array  bool // inside of the array
	text   []byte
}

func newJSON(p plain, fields [4]field) (*jsonRows, error) {
	for _, f := range fields {
		if f.number > 0 {
			return nil, fmt.Errorf("%s=%d: JSON has no columns with numbers: give the field's name",
				f.variable, f.number)
		}
	}
	return &jsonRows{p: p, fields: fields, line: 1}, nil
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
		case c == '[' && !j.array && strings.IndexByte("{]", j.p.first()) >= 0, c == ']' && j.array:
			j.array = !j.array
			continue
		}
		line := j.line
		j.text = append(j.text[:0], c)
		if c == '{' {
			err = j.object()
		} else if err = j.restOfLine(); err == nil && c != '#' {
			err = invalid(j.text)
		} else if err == nil {
			continue
		}
		r := row{line: line}
		if err == nil {
			err = j.extract(&r)
		}
		return r, err
	}
}

// object reads an object after its first brace.
func (j *jsonRows) object() error {
	line, depth := j.line, 1
	quoted, escaped := false, false
	for depth > 0 || quoted {
		c, err := j.read()
		if errors.Is(err, io.EOF) {
			return invalid(j.text)
		} else if err != nil {
			return err
		}
		j.text = append(j.text, c)
		switch {
		case len(j.text) > MaxLine:
			return j.resume(line, errTooLong)
		case c == '\n' && (quoted || j.objectFollows()):
			return j.resume(line, invalid(j.text))
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
		return invalid(j.text)
	}
	return nil
}

// objectFollows reports whether an object begins with the next byte.
func (j *jsonRows) objectFollows() bool {
	next, _ := j.p.Peek(1)
	return len(next) == 1 && next[0] == '{'
}

// resume skips what is left of an object that is over, and returns why: the line, and the following
// ones up to one that begins with an object if it was on several lines.
func (j *jsonRows) resume(line int, why error) error {
	if j.text[len(j.text)-1] != '\n' {
		if err := j.restOfLine(); err != nil {
			return err
		}
	}
	for j.line > line+1 && !j.objectFollows() {
		c, err := j.read()
		if errors.Is(err, io.EOF) {
			break
		} else if err == nil && !isSpace(c) {
			err = j.restOfLine()
		}
		if err != nil {
			return err
		}
	}
	return why
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

// read returns the next byte and counts lines.
func (j *jsonRows) read() (byte, error) {
	c, err := j.p.ReadByte()
	if err == nil && c == '\n' {
		j.line++
	}
	return c, err
}

// invalid says what is wrong with a text that is not a JSON object.
func invalid(text []byte) error {
	if _, err := message.Decode(strings.TrimSpace(string(text))); err != nil {
		return err
	}
	return wrong(message.NotJSON, "is not a JSON object")
}
