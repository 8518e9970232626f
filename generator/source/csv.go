package source

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"

	"colorstream/generator/message"
)

// csvRecords reads RFC 4180 with a header, and takes other separators, line feeds alone and white space around
// cells. A column that is absent is -1.
type csvRecords struct {
	csv                      *csv.Reader
	bound                    *bound
	skipped                  int64
	unit                     TimeUnit
	color, name, value, time int
	noName                   string   // the name of every message if there is no such column
	line                     int      // of the newest record
	unclosed                 *Refused // the newest record, if it may be an open quotation
}

func newCSV(r *bufio.Reader, skipped int64, o Options) (*csvRecords, error) {
	separator := o.Separator
	if separator == 0 {
		separator = tellSeparator(r)
	}
	c := &csvRecords{bound: &bound{r: r}, skipped: skipped, unit: o.TimeUnit}
	c.csv = csv.NewReader(c.bound)
	c.csv.Comma = separator
	c.line = 1
	c.csv.ReuseRecord = true
	c.csv.TrimLeadingSpace = !unicode.IsSpace(separator) // else it would eat separators
	c.bound.renew()
	header, err := c.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, errors.New("is empty: a CSV file begins with a line that names the columns")
	} else if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	columns := make([]string, len(header))
	for i, name := range header {
		columns[i] = strings.TrimSpace(name)
	}
	var errs []error
	find := func(role string, f Field) int {
		i, err := column(columns, role, f)
		errs = append(errs, err)
		return i
	}
	c.color, c.value = find("color", o.Color), find("value", o.Value)
	c.name, c.time = find("name", o.Name), find("time", o.Time)
	c.noName = nameless(o)
	return c, errors.Join(errs...)
}

// nameless is the name of messages whose input has none: what their value is called there, if that says more than
// "value".
func nameless(o Options) string {
	if o.Value.Name == "value" {
		return ""
	}
	return o.Value.Name
}

func column(columns []string, role string, f Field) (int, error) {
	found := -1
	for i, name := range columns {
		if name != f.Name {
			continue
		}
		if found >= 0 {
			return -1, fmt.Errorf("two columns are called %q, which is to be the %s (%s)", f.Name, role, f.Variable)
		}
		found = i
	}
	if found < 0 && !f.Optional {
		return -1, fmt.Errorf("there is no column %q for the %s: set %s to one of %q", f.Name, role, f.Variable, columns)
	}
	return found, nil
}

// tellSeparator takes what stands most often in the header outside of quotation marks.
func tellSeparator(r *bufio.Reader) rune {
	head, _ := r.Peek(4096)
	count := make(map[rune]int)
	quoted := false
	for _, c := range string(head) {
		if c == '\n' && !quoted {
			break
		}
		if c == '"' {
			quoted = !quoted
		} else if !quoted {
			count[c]++
		}
	}
	most := ','
	for _, c := range ";\t|" {
		if count[c] > count[most] {
			most = c
		}
	}
	return most
}

func (c *csvRecords) next() (Record, error) {
	c.bound.renew()
	cells, err := c.csv.Read()
	offset := c.csv.InputOffset() + c.skipped
	if err != nil {
		return c.failed(err, len(cells), offset)
	}
	c.line, _ = c.csv.FieldPos(0)
	m, err := c.message(cells)
	if err == nil {
		err = m.Validate()
	}
	if err != nil {
		return Record{}, refuse(c.line, offset, err)
	}
	return Record{Message: m, Line: c.line, Offset: offset}, nil
}

func (c *csvRecords) failed(err error, cells int, offset int64) (Record, error) {
	parse, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, io.EOF) && c.unclosed != nil:
		return Record{}, fmt.Errorf("a quotation mark in line %d is never closed: nothing behind it was read", c.unclosed.Line)
	case errors.Is(err, errTooLong):
		return Record{}, fmt.Errorf("what begins after line %d is longer than %d bytes: is a quotation mark not closed?", c.line, MaxLine)
	case !ok:
		return Record{}, err
	}
	c.line = parse.Line
	if errors.Is(err, csv.ErrFieldCount) {
		c.unclosed = nil
		return Record{}, &Refused{
			parse.StartLine, Columns,
			fmt.Sprintf("has %d cells, but the header has %d", cells, c.csv.FieldsPerRecord), offset,
		}
	}
	refused := &Refused{
		parse.StartLine, Quotes,
		fmt.Sprintf("has a quotation mark out of place (line %d, byte %d)", parse.Line, parse.Column), offset,
	}
	c.unclosed = nil
	if errors.Is(err, csv.ErrQuote) {
		c.unclosed = refused // if the end comes next, it was not closed
	}
	return Record{}, refused
}

func (c *csvRecords) message(cells []string) (m message.Message, err error) {
	c.unclosed = nil
	m.Color, m.Name = strings.TrimSpace(cells[c.color]), c.noName
	if c.name >= 0 {
		m.Name = strings.TrimSpace(cells[c.name])
	}
	if m.Value, err = parseValue(strings.TrimSpace(cells[c.value])); err != nil {
		return m, err
	}
	if c.time >= 0 {
		m.Time, err = parseTime(strings.TrimSpace(cells[c.time]), c.unit)
	}
	return m, err
}

// errTooLong ends an input with a record that is not to be held in memory.
var errTooLong = errors.New("too long")

// bound fails when more than MaxLine bytes are read for one record.
type bound struct {
	r    io.Reader
	left int
}

func (b *bound) renew() { b.left = MaxLine }

func (b *bound) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}
