package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// A Plan is what has been found out about an input.
type Plan struct {
	Name   string
	Format Format
	// Separator of CSV, and the line and the names of its header; 0 and nil without one.
	Separator rune
	Header    int
	Columns   []string
	// Decimal is empty if no value tells it, or needs it.
	Decimal Decimal
	// Times says how the times are written; it is empty if there are none.
	Times string
	// First and Last are the earliest and latest time that have been seen: of the sample, or of all
	// rows if Whole is set.
	First, Last time.Time
	Whole       bool
	// Disorder says which times are not in order, if the rows have been sorted.
	Disorder string
}

// String is the plan in a sentence or two.
func (p Plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is read as %s", p.Name, strings.ToUpper(string(p.Format)))
	if p.Format == CSV {
		switch p.Separator {
		case ',':
		case '\t':
			b.WriteString(" with tabs")
		default:
			fmt.Fprintf(&b, " with %q", p.Separator)
		}
		if p.Header > 1 {
			fmt.Fprintf(&b, ", header in line %d", p.Header)
		} else if p.Header == 0 {
			b.WriteString(" without a header")
		}
	}
	if p.Decimal == Comma {
		b.WriteString(", decimals after a comma")
	}
	if p.Times == "" {
		b.WriteString("; it has no times")
	} else {
		b.WriteString("; " + p.Times)
	}
	if !p.First.IsZero() {
		layout := "2006-01-02"
		if p.Last.Sub(p.First) < 48*time.Hour {
			layout = time.RFC3339
		}
		text := ", %s to %s"
		if !p.Whole {
			text = ", at first %s to %s"
		}
		fmt.Fprintf(&b, text, p.First.Format(layout), p.Last.Format(layout))
	}
	if p.Disorder != "" {
		fmt.Fprintf(&b, "; not in order (%s): sorted by time", p.Disorder)
	}
	return b.String()
}

// span makes t one of the times seen.
func (p *Plan) span(t time.Time) {
	if t.IsZero() {
		return
	}
	if p.First.IsZero() || t.Before(p.First) {
		p.First = t
	}
	if t.After(p.Last) {
		p.Last = t
	}
}

// Plan says how the input is read. It reads the first rows if none has been read.
func (in *Input) Plan() (Plan, error) {
	if !in.settled {
		in.settled = true
		if err := in.settle(); err != nil {
			in.failure = fmt.Errorf("%s: %w", in.Name, err)
		} else if in.options.Found != nil {
			in.options.Found(in.plan)
		}
	}
	return in.plan, in.failure
}

// settle reads the sample and finds the format of times and numbers. What the sample leaves open in
// a file, its other rows may tell. Of a silent standard input, what has come is the sample.
func (in *Input) settle() error {
	if err := in.begin(); err != nil {
		return err
	}
	final := false
	for len(in.sample) < SampleRows && !final {
		if !in.regular && len(in.sample) > 0 && in.plain.Buffered() == 0 && in.decide() == nil {
			break
		}
		i := in.read()
		in.sample = append(in.sample, i)
		in.observe(i)
		final = isFinal(i.err)
	}
	err := in.decide()
	if err != nil && in.regular && !final {
		for i := in.read(); !isFinal(i.err); i = in.read() {
			in.observe(i)
		}
		if err = in.decide(); err == nil {
			err = in.rewind()
		}
	}
	if err == nil {
		in.describe()
	}
	return err
}

func (in *Input) observe(i rowItem) {
	if i.err == nil {
		in.decimals.observe(i.row.value, i.row.line)
		in.times.observe(i.row.time, i.row.line)
	}
}

func (in *Input) decide() error { return errors.Join(in.decimals.settle(), in.times.settle()) }

// rewind begins again with the first row of a file.
func (in *Input) rewind() error {
	if _, err := in.file.(*os.File).Seek(0, io.SeekStart); err != nil {
		return err
	}
	in.plain.end()
	in.sample = nil
	return in.begin()
}

// describe makes the plan.
func (in *Input) describe() {
	in.plan = Plan{
		Name: in.Name, Format: in.format, Decimal: in.decimals.mark, Times: in.times.String(),
	}
	if c, ok := in.rows.(*csvRows); ok {
		in.plan.Separator, in.plan.Header, in.plan.Columns = c.separator, c.header, c.columns
	}
	for _, i := range in.sample {
		if i.err == nil {
			at, _ := in.times.parse(i.row.time, i.row.line)
			in.plan.span(at)
		}
	}
}
