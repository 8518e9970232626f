package source

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// Plan says in a sentence or two how the input is read. It reads the first rows if none has been
// read.
func (in *Input) Plan() (string, error) {
	if err := in.settle(); err != nil {
		return "", err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s is read as %s", in.Name, strings.ToUpper(string(in.format)))
	if c, ok := in.rows.(*csvRows); ok {
		switch c.separator {
		case ',':
		case '\t':
			b.WriteString(" with tabs")
		default:
			fmt.Fprintf(&b, " with %q", c.separator)
		}
		if c.header > 1 {
			fmt.Fprintf(&b, ", header in line %d", c.header)
		} else if c.header == 0 {
			b.WriteString(" without a header")
		}
	}
	if in.decimals.mark == Comma {
		b.WriteString(", decimals after a comma")
	}
	if times := in.times.String(); times == "" {
		b.WriteString("; it has no times")
	} else {
		b.WriteString("; " + times)
	}
	if !in.first.IsZero() {
		layout, text := "2006-01-02", ", %s to %s"
		if in.last.Sub(in.first) < 48*time.Hour {
			layout = time.RFC3339
		}
		if !in.whole {
			text = ", at first %s to %s"
		}
		fmt.Fprintf(&b, text, in.first.Format(layout), in.last.Format(layout))
	}
	if in.disorder != "" {
		fmt.Fprintf(&b, "; not in order (%s): sorted by time", in.disorder)
	}
	return b.String(), nil
}

// saw makes t one of the times that have been seen.
func (in *Input) saw(t time.Time) {
	if t.IsZero() {
		return
	}
	if in.first.IsZero() || t.Before(in.first) {
		in.first = t
	}
	if t.After(in.last) {
		in.last = t
	}
}

// readSample reads the first rows and finds the format of times and numbers. What they leave open
// in a file, its other rows may tell. Of a silent standard input, what has come is the sample.
func (in *Input) readSample() (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", in.Name, err)
		}
	}()
	if err := in.begin(); err != nil {
		return err
	}
	for len(in.sample) < SampleRows {
		if !in.regular && len(in.sample) > 0 && in.plain.Buffered() == 0 && in.decide() == nil {
			break
		}
		r, err := in.read()
		if err != nil {
			break
		}
		in.sample = append(in.sample, r)
		if err := in.observe(r); err != nil {
			return err
		}
	}
	err = in.decide()
	if err != nil && in.regular && in.ended == nil {
		for r, end := in.read(); end == nil; r, end = in.read() {
			if err := in.observe(r); err != nil {
				return err
			}
		}
		if err = in.decide(); err == nil {
			err = in.rewind()
		}
	}
	for _, r := range in.sample {
		if r.rejected == nil {
			at, _ := in.times.parse(r.texts[timeField], r.line)
			in.saw(at)
		}
	}
	return err
}

func (in *Input) observe(r row) error {
	if r.rejected != nil {
		return nil
	}
	in.decimals.observe(r.texts[valueField], r.line)
	return in.times.observe(r.texts[timeField], r.line)
}

func (in *Input) decide() error { return errors.Join(in.decimals.settle(), in.times.settle()) }

// rewind begins again with the first row of a file.
func (in *Input) rewind() error {
	if _, err := in.file.(*os.File).Seek(0, io.SeekStart); err != nil {
		return err
	}
	in.plain.end()
	in.sample, in.ended = nil, nil
	return in.begin()
}
