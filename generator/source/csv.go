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
	decimals  decimals // to tell a value where there is no header
	columns   []string // the names of the header, nil without one
	header    int      // its line
	index     [4]int   // of the columns in a row, -1 for none
	width     int      // cells of a row
	first     []string // the first row, if it was read to find the separator
	cells     []string
	text      []byte // the newest record
}

// headerLines is how far into the input the header is looked for.
const headerLines = 100

func newCSV(p plain, fields [4]field, o Options) (*csvRows, error) {
	c := &csvRows{lines: lines{r: p.Reader, offset: p.skipped}, fields: fields}
	for _, r := range o.Separator {
		c.separator = r
	}
	c.decimals.mark = o.Decimal
	find := c.findFirst
	if slices.ContainsFunc(fields[:], field.required) {
		find = c.findHeader
	}
	return c, find()
}

// separators are tried in this order where nothing tells which it is.
func (c *csvRows) separators() []rune {
	if c.separator != 0 {
		return []rune{c.separator}
	}
	return []rune{'\t', ';', '|', ','}
}

// findHeader reads up to the first line that has all columns that must be there.
func (c *csvRows) findHeader() error {
	best, bestScore, bestLine := []string(nil), -1, 0
	for c.lines.number < headerLines {
		texts, err := c.candidates()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		found := false
		for _, t := range texts {
			names := trimAll(t.cells)
			missing := 0
			for _, f := range c.fields {
				if f.required() && !slices.Contains(names, f.name) {
					missing++
				}
			}
			if score := 1000*(4-missing) + min(len(names), 999); score > bestScore {
				best, bestScore, bestLine = names, score, t.line
			}
			if missing == 0 && (!found || len(names) > len(c.columns)) {
				found = true
				c.separator, c.columns, c.header = t.separator, names, t.line
			}
		}
		if found {
			return c.locate(c.columns)
		}
	}
	if best == nil {
		return errors.New("is empty: a CSV file begins with a line that names the columns")
	}
	c.header = bestLine
	return c.locate(best)
}

// findFirst reads up to the first row whose value is a number, where all columns have numbers. The
// row before it is the header if it has as many cells.
func (c *csvRows) findFirst() error {
	need := 0
	for _, f := range c.fields {
		need = max(need, f.number)
	}
	var before []candidate
	for c.lines.number < headerLines {
		texts, err := c.candidates()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		for _, t := range texts {
			if len(t.cells) < need || c.decimals.fits(strings.TrimSpace(t.cells[c.fields[2].number-1])) == 0 {
				continue
			}
			c.separator, c.width, c.first = t.separator, len(t.cells), t.cells
			for _, h := range before {
				if h.separator == t.separator && len(h.cells) == len(t.cells) {
					c.columns, c.header = trimAll(h.cells), h.line
				}
			}
			return c.locate(c.columns)
		}
		before = texts
	}
	return fmt.Errorf("line %d: no line up to here has a number in column %d, which is to be the value (%s)",
		c.lines.number, c.fields[2].number, valueVariable)
}

// A candidate is a line as one separator splits it.
type candidate struct {
	separator rune
	cells     []string
	line      int
}

// candidates splits the next line that is not blank with every separator that may be meant.
// A header in a comment counts too.
func (c *csvRows) candidates() ([]candidate, error) {
	for {
		text, err := c.lines.next()
		if err != nil {
			return nil, err
		}
		var list []candidate
		line := strings.TrimLeft(string(text), "# ")
		number := c.lines.number
		for _, separator := range c.separators() {
			cells, open := split(nil, line, separator)
			for open && len(line) < MaxLine {
				more, err := c.lines.next()
				if err != nil {
					return nil, c.unclosed(number, err)
				}
				line += string(more)
				cells, open = split(nil, line, separator)
			}
			if open {
				return nil, c.unclosed(number, io.EOF)
			}
			if n := len(cells); n > 0 && cells[n-1] != misquoted {
				list = append(list, candidate{separator, cells, number})
			}
		}
		if len(list) > 0 {
			return list, nil
		}
	}
}

// locate finds the columns of the fields in the header.
func (c *csvRows) locate(names []string) error {
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
				errs = append(errs, fmt.Errorf("line %d: there is no column %d for the %s (%s): the line has %d",
					c.header, f.number, f.role, f.variable, c.width))
			}
		default:
			c.index[i] = slices.Index(names, f.name)
			if c.index[i] >= 0 && slices.Contains(names[c.index[i]+1:], f.name) {
				errs = append(errs, fmt.Errorf("line %d: two columns are called %q, which is to be the %s (%s)",
					c.header, f.name, f.role, f.variable))
			}
			if c.index[i] < 0 && !f.optional {
				errs = append(errs, missingColumn(f, c.header, names))
			}
		}
	}
	return errors.Join(errs...)
}

func missingColumn(f field, line int, names []string) error {
	advice := ""
	if f.role == "color" {
		advice = ", to =red for a constant, to @file for the file's name, or to 3 for the third column"
	}
	return fmt.Errorf("line %d: there is no column %q for the %s: set %s to one of %q%s",
		line, f.name, f.role, f.variable, names, advice)
}

func trimAll(cells []string) []string {
	names := make([]string, len(cells))
	for i, c := range cells {
		names[i] = strings.TrimSpace(c)
	}
	return names
}

func (c *csvRows) next() (row, error) {
	for {
		cells, line := c.first, c.lines.number
		if c.first == nil {
			var err error
			if cells, line, err = c.record(); err != nil {
				return row{}, err
			}
		}
		c.first = nil
		switch {
		case len(cells) == 0:
			continue // a blank line
		case len(cells) != c.width && strings.HasPrefix(cells[0], "#"):
			continue // a comment; a colour such as #ff0000 has other cells beside it
		case c.isHeader(cells):
			continue // files have been appended to each other
		case len(cells) < c.width || strings.Join(cells[c.width:], "") != "":
			return row{}, &Rejected{line, Columns, fmt.Sprintf("has %d cells instead of %d", len(cells), c.width), c.lines.offset}
		}
		r := row{line: line, offset: c.lines.offset}
		for i, to := range []*string{&r.color, &r.name, &r.value, &r.time} {
			if c.index[i] >= 0 {
				*to = strings.TrimSpace(cells[c.index[i]])
			}
		}
		return r, nil
	}
}

// isHeader reports whether a row is the header again. The value tells most rows apart.
func (c *csvRows) isHeader(cells []string) bool {
	value := c.index[2]
	return c.columns != nil && len(cells) == len(c.columns) &&
		strings.TrimSpace(cells[value]) == c.columns[value] && slices.Equal(trimAll(cells), c.columns)
}

// record reads the cells of the next row, which is more than one line if a quoted cell is. The row
// begins at the line that is returned.
func (c *csvRows) record() (cells []string, line int, err error) {
	text, err := c.lines.next()
	if err != nil {
		return nil, 0, err
	}
	line = c.lines.number
	c.cells, err = c.cells[:0], nil
	var open bool
	if c.cells, open = split(c.cells, string(text), c.separator); !open {
		return c.cells, line, c.quoted(line)
	}
	c.text = append(c.text[:0], text...)
	for open {
		more, err := c.lines.next()
		if err != nil {
			return nil, 0, c.unclosed(line, err)
		}
		if c.text = append(c.text, more...); len(c.text) > MaxLine {
			return nil, 0, c.unclosed(line, io.EOF)
		}
		if closes(more) {
			c.cells, open = split(c.cells[:0], string(c.text), c.separator)
		}
	}
	return c.cells, line, c.quoted(line)
}

// quoted rejects a row that split has marked.
func (c *csvRows) quoted(line int) error {
	if n := len(c.cells); n > 0 && c.cells[n-1] == misquoted {
		return &Rejected{line, Quotes, "has text after a closing quotation mark", c.lines.offset}
	}
	return nil
}

// unclosed is the error of a cell that began in line and that the end, or MaxLine, has cut.
func (c *csvRows) unclosed(line int, err error) error {
	if _, tooLong := errors.AsType[*Rejected](err); tooLong || errors.Is(err, io.EOF) {
		return fmt.Errorf("line %d: a quotation mark is never closed: nothing after it was read", line)
	}
	return err
}

// closes reports whether a line that begins inside of a quoted cell closes it: two quotation marks
// stand for one, so that an odd number of them in a row does.
func closes(line []byte) bool {
	for i := 0; i < len(line); i++ {
		marks := 0
		for ; i < len(line) && line[i] == '"'; i++ {
			marks++
		}
		if marks%2 == 1 {
			return true
		}
	}
	return false
}
