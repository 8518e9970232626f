package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Stdin is the path that means standard input.
const Stdin = "-"

// SampleRows is how many rows tell how an input is written.
const SampleRows = 1000

// An Input is an open file or standard input.
type Input struct {
	// Name is the path, or "standard input".
	Name string
	// Size in bytes, 0 if unknown.
	Size int64

	path    string
	options Options
	fields  [4]field
	file    io.Reader
	regular bool // a file that can be read twice
	plain   plain
	rows    rows
	format  Format

	settle   func() error // reads the sample, once
	sample   []rowItem
	times    times
	decimals decimals

	first, last time.Time // that have been seen
	whole       bool      // they are those of all rows
	disorder    string    // which times are not in order, if the rows have been sorted
}

// Open opens the input at path, or stdin for the path "-". A file is read so far that its format,
// header and columns are known, and the format of its times and numbers; standard input is read
// when the first record or the plan is asked for.
func Open(path string, stdin io.Reader, o Options) (*Input, error) {
	in := &Input{Name: path, path: path, options: o, file: stdin}
	in.decimals.mark = o.Decimal
	in.settle = sync.OnceValue(in.readSample)
	var err error
	if in.fields, err = o.fields(path); err != nil {
		return nil, err
	}
	if in.times, err = newTimes(o); err != nil {
		return nil, err
	}
	if path == Stdin {
		in.Name = "standard input"
		return in, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in.file = f
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = fmt.Errorf("%s is a folder, not a file", in.Name)
	case info.Mode().IsRegular():
		in.Size, in.regular = info.Size(), true
		err = in.settle()
	}
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// begin reads up to the first row.
func (in *Input) begin() (err error) {
	if in.plain, err = decompress(in.file); err != nil {
		return err
	}
	in.format = in.options.Format
	if in.format == "" {
		in.format = in.tell()
	}
	if in.format == JSON {
		in.rows, err = newJSON(in.plain, in.fields)
	} else {
		in.rows, err = newCSV(in.plain, in.fields, in.options)
	}
	return err
}

// tell finds the format by the first character that is not in a comment, or else by the name.
func (in *Input) tell() Format {
	ending := strings.ToLower(filepath.Ext(uncompressed(in.path)))
	comment := false
	for n := 1; n <= in.plain.Size(); n++ {
		head, err := in.plain.Peek(n)
		if err != nil {
			break
		}
		c := head[n-1]
		if comment || c == '#' {
			comment = c != '\n'
		} else if c == '{' || c == '[' && ending != ".csv" && ending != ".tsv" {
			return JSON
		} else if !isSpace(c) {
			break
		}
	}
	if slices.Contains([]string{".json", ".jsonl", ".ndjson"}, ending) {
		return JSON
	}
	return CSV
}

// Next returns the next record. The error is a [*Rejected] for a row that is no message, after
// which Next may be called again; io.EOF at the end; or the input's failure.
func (in *Input) Next() (record Record, err error) {
	if err := in.settle(); err != nil {
		return Record{}, err
	}
	var i rowItem
	if len(in.sample) > 0 {
		i, in.sample = in.sample[0], in.sample[1:]
	} else {
		i = in.read()
	}
	if err = i.err; err == nil {
		record, err = in.record(i.row)
		err = reject(i.row.line, err)
	}
	if rejected, ok := errors.AsType[*Rejected](err); ok {
		rejected.Offset = i.row.offset
	}
	return record, err
}

// Each calls f with the remaining records and rejected rows.
func (in *Input) Each(ctx context.Context, f func(Record, *Rejected) error) error {
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		record, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		} else if isFinal(err) {
			return err
		}
		rejected, _ := errors.AsType[*Rejected](err)
		if err := f(record, rejected); err != nil {
			return err
		}
	}
}

// A rowItem is what rows returned.
type rowItem struct {
	row row
	err error
}

func (in *Input) read() (i rowItem) {
	i.row, i.err = in.rows.next()
	i.row.offset = in.plain.offset()
	for n, f := range in.fields {
		if f.constant {
			i.row.texts[n] = f.name
		}
	}
	if isFinal(i.err) && !errors.Is(i.err, io.EOF) {
		i.err = fmt.Errorf("read %s: %w", in.Name, i.err)
	}
	return i
}

// record understands a row.
func (in *Input) record(r row) (record Record, err error) {
	record.Line, record.Offset = r.line, r.offset
	record.Color, record.Name = r.texts[colorField], r.texts[nameField]
	if in.fields[nameField].optional && record.Name == "" {
		record.Name = defaultName(in.fields[valueField])
	}
	if record.Value, err = in.decimals.parse(r.texts[valueField], r.line); err != nil {
		return record, err
	}
	if record.Time, err = in.times.parse(r.texts[timeField], r.line); err != nil {
		return record, err
	}
	err = record.Validate()
	switch {
	case err != nil:
	case !in.options.History:
		err = record.ValidateAge()
	case record.Time.IsZero():
		err = wrong(NoTime, "there is no time")
	}
	return record, err
}

// Close closes the file.
func (in *Input) Close() error {
	if in.plain.end != nil {
		in.plain.end()
	}
	if f, ok := in.file.(*os.File); ok && in.path != Stdin {
		return f.Close()
	}
	return nil
}
