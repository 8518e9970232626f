package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"colorstream/generator/message"
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
	sample   []row
	ended    error // the end of the rows, or a failure
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
	in := &Input{Name: path, path: path, options: o, file: stdin, times: newTimes(o)}
	in.decimals.mark = o.Decimal
	in.settle = sync.OnceValue(in.readSample)
	var err error
	if in.fields, err = o.fields(path); err != nil {
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
	switch c := in.plain.first(); {
	case c == '{', c == '[' && ending != ".csv" && ending != ".tsv",
		slices.Contains([]string{".json", ".jsonl", ".ndjson"}, ending):
		return JSON
	}
	return CSV
}

// All gives the rows that have not been given yet. An error is the last: the input's failure, or
// the end of ctx.
func (in *Input) All(ctx context.Context) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		err := in.settle()
		for err == nil {
			var r row
			if len(in.sample) > 0 {
				r, in.sample = in.sample[0], in.sample[1:]
			} else if r, err = in.read(); err != nil {
				break
			}
			if !yield(in.record(r), nil) {
				return
			}
			err = context.Cause(ctx)
		}
		if !errors.Is(err, io.EOF) {
			yield(Record{}, err)
		}
	}
}

// read returns the next row. After the end it returns the same error again.
func (in *Input) read() (r row, err error) {
	if in.ended != nil {
		return r, in.ended
	}
	r, err = in.rows.next()
	r.offset = in.plain.offset()
	for i, f := range in.fields {
		if f.constant {
			r.texts[i] = f.name
		}
	}
	var rejected bool
	if r.rejected, rejected = errors.AsType[*message.Error](err); rejected {
		return r, nil
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: %w", in.Name, err)
	}
	in.ended = err
	return r, err
}

// record understands a row.
func (in *Input) record(r row) Record {
	record := Record{Line: r.line, Offset: r.offset, Rejected: r.rejected}
	if r.rejected == nil {
		m, err := in.message(r)
		var rejected bool
		if record.Rejected, rejected = errors.AsType[*message.Error](err); !rejected {
			record.Message = m
		}
	}
	return record
}

// message makes one of a row. The error is a *message.Error.
func (in *Input) message(r row) (m message.Message, err error) {
	m.Color, m.Name = r.texts[colorField], r.texts[nameField]
	if in.fields[nameField].optional && m.Name == "" {
		m.Name = defaultName(in.fields[valueField])
	}
	if m.Value, err = in.decimals.parse(r.texts[valueField], r.line); err != nil {
		return m, err
	}
	if m.Time, err = in.times.parse(r.texts[timeField], r.line); err != nil {
		return m, err
	}
	err = m.Validate()
	switch {
	case err != nil:
	case !in.options.History:
		err = m.ValidateAge()
	case m.Time.IsZero():
		err = wrong(NoTime, "there is no time")
	}
	return m, err
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
