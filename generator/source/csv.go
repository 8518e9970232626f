package source

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// csvRows reads CSV as RFC 4180 describes it, and what else is written: other separators, white
// space around cells, lines before the header, comments, no header, a repeated header.
type csvRows struct {
	lines  lines
	fields [4]field
	// separator is 0 until the header or the first row without one tells it.
	separator rune
	columns   []string // the names of the header, nil without one
	header    int      // its line
	index     [4]int   // of the columns in a row, -1 for none
	width     int      // cells of a row
	first     []string // the first row, if it was read to find the separator
	cells     []string
}

// headerLines is how far into the input the header is looked for.
const headerLines = 100

func newCSV(p plain, fields [4]field, o Options) (*csvRows, error) {
	c := &csvRows{lines: lines{r: p.Reader}, fields: fields}
	for _, r := range o.Separator {
		c.separator = r
	}
	find := c.findFirst
	if slices.ContainsFunc(fields[:], field.required) {
		find = c.findHeader
	}
	if err := find(); err != nil {
		return c, err
	}
	return c, c.locate()
}

// findHeader reads up to the first line that has all columns that must be there.
func (c *csvRows) findHeader() error {
	var best candidate
	least := len(c.fields) + 1
	err := c.head(func(list []candidate) bool {
		for _, t := range list {
			missing := 0
			for _, f := range c.fields {
				if f.required() && !slices.Contains(t.cells, f.name) {
					missing++
				}
			}
			if missing < least || missing == least && len(t.cells) > len(best.cells) {
				best, least = t, missing
			}
		}
		return least == 0
	})
	if err == nil && best.cells == nil {
		err = errors.New("is empty: a CSV file begins with a line that names the columns")
	}
	c.separator, c.columns, c.header = best.separator, best.cells, best.line
	return err
}

// findFirst reads up to the first row whose value is a number, where all columns have numbers. The
// row before it is the header if it has as many cells.
func (c *csvRows) findFirst() error {
	need := 0
	for _, f := range c.fields {
		need = max(need, f.number)
	}
	value := c.fields[valueField].number
	var before []candidate
	err := c.head(func(list []candidate) bool {
		for _, t := range list {
			if len(t.cells) < need ||
				number(t.cells[value-1], Point) == "" && number(t.cells[value-1], Comma) == "" {
				continue
			}
			c.separator, c.width, c.first = t.separator, len(t.cells), t.cells
			for _, h := range before {
				if h.separator == t.separator && len(h.cells) == len(t.cells) {
					c.columns, c.header = h.cells, h.line
				}
			}
			return true
		}
		before = list
		return false
	})
	if err == nil && c.first == nil {
		err = fmt.Errorf("line %d: no line up to here has a number in column %d, "+
			"which is to be the value (GENERATOR_INPUT_VALUE)", c.lines.number, value)
	}
	return err
}

// A candidate is a line as one separator splits it.
type candidate struct {
	separator rune
	cells     []string
	line      int
}

// head gives each of the first lines that is not blank, split with every separator that may be
// meant, until found returns true. A header in a comment counts too.
func (c *csvRows) head(found func([]candidate) bool) error {
	separators := []rune{'\t', ';', '|', ','}
	if c.separator != 0 {
		separators = []rune{c.separator}
	}
	for c.lines.number < headerLines {
		text, err := c.lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("line %d: %w", c.lines.number, err)
		}
		line, number := strings.TrimLeft(string(text), "# "), c.lines.number
		var list []candidate
		for _, separator := range separators {
			cells, err := split(nil, line, separator, func() (string, error) {
				more, err := c.more(number, len(line))
				line += more
				return more, err
			})
			if err != nil && !errors.Is(err, errMisquoted) {
				return err
			}
			if err == nil && len(cells) > 0 {
				list = append(list, candidate{separator, trim(cells), number})
			}
		}
		if len(list) > 0 && found(list) {
			return nil
		}
	}
	return nil
}

// locate finds the columns of the fields in the header.
func (c *csvRows) locate() error {
	names := c.columns
	if names != nil {
		c.width = len(names)
	}
	var errs []error
	for i, f := range c.fields {
		c.index[i] = -1
		switch {
		case f.constant:
		case f.number > 0:
			c.index[i] = f.number - 1
			if f.number > c.width {
				errs = append(errs, fmt.Errorf(
					"line %d: there is no column %d for the %s (%s): the line has %d",
					c.header, f.number, f.role, f.variable, c.width))
			}
		default:
			c.index[i] = slices.Index(names, f.name)
			if c.index[i] >= 0 && slices.Contains(names[c.index[i]+1:], f.name) {
				errs = append(errs, fmt.Errorf(
					"line %d: two columns are called %q, which is to be the %s (%s)",
					c.header, f.name, f.role, f.variable))
			}
			if c.index[i] < 0 && !f.optional {
				advice := ""
				if i == colorField {
					advice = ", to =red for a constant, to @file for the file's name, " +
						"or to 3 for the third column"
				}
				errs = append(errs, fmt.Errorf(
					"line %d: there is no column %q for the %s: set %s to one of %q%s",
					c.header, f.name, f.role, f.variable, names, advice))
			}
		}
	}
	return errors.Join(errs...)
}

func trim(cells []string) []string {
	for i, c := range cells {
		cells[i] = strings.TrimSpace(c)
	}
	return cells
}

func (c *csvRows) next() (row, error) {
	for {
		cells, line := c.first, c.lines.number
		if c.first == nil {
			var err error
			if cells, line, err = c.record(); err != nil {
				return row{line: line}, err
			}
		}
		c.first = nil
		switch {
		case len(cells) == 0:
			continue // a blank line
		case len(cells) != c.width && strings.HasPrefix(cells[0], "#"):
			continue // a comment; a colour such as #ff0000 has other cells beside it
		case slices.Equal(cells, c.columns):
			continue // the header again: files have been appended to each other
		case len(cells) < c.width || strings.Join(cells[c.width:], "") != "":
			return row{line: line}, wrong(Columns, "has %d cells instead of %d", len(cells), c.width)
		}
		r := row{line: line}
		for i, column := range c.index {
			if column >= 0 {
				r.texts[i] = cells[column]
			}
		}
		return r, nil
	}
}

// record reads the cells of the next row. It begins at the line that is returned.
func (c *csvRows) record() (cells []string, line int, err error) {
	text, err := c.lines.next()
	line, length := c.lines.number, len(text)
	if err != nil {
		return nil, line, err
	}
	c.cells, err = split(c.cells[:0], string(text), c.separator, func() (string, error) {
		more, err := c.more(line, length)
		length += len(more)
		return more, err
	})
	return trim(c.cells), line, err
}

// more reads the next line of a row that began in line, has the length so far, and ends in a quoted
// cell that is not closed.
func (c *csvRows) more(line, length int) (string, error) {
	text, err := c.lines.next()
	if errors.Is(err, errTooLong) || errors.Is(err, io.EOF) || length+len(text) > MaxLine {
		err = fmt.Errorf("line %d: a quotation mark is never closed: nothing after it was read", line)
	}
	return string(text), err
}
