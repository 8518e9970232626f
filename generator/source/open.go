package source

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
)

// MaxLine is the longest line, or record of several lines, that is read.
const MaxLine = 1 << 20

// Stdin is the path that means standard input.
const Stdin = "-"

// Format is how an input is written; empty means that its name or its content tells.
type Format string

// The formats.
const (
	CSV       Format = "csv"
	JSONLines Format = "jsonl"
)

// UnmarshalText refuses every other word.
func (f *Format) UnmarshalText(text []byte) error {
	switch *f = Format(text); *f {
	case CSV, JSONLines:
		return nil
	}
	return errors.New("is neither csv nor jsonl")
}

// A Field is a column of CSV or a field of JSON that is read.
type Field struct {
	Name string
	// Optional columns may be absent.
	Optional bool
	// Variable is the setting that changes Name, for errors.
	Variable string
}

// Options say how an input is read.
type Options struct {
	Format Format
	// Separator of CSV; 0 means that the header tells.
	Separator rune
	// TimeUnit of times that are numbers.
	TimeUnit                 TimeUnit
	Color, Name, Value, Time Field
}

// An Input is an open file or standard input.
type Input struct {
	// Name is the path, or "standard input".
	Name string
	// Size in bytes, 0 if unknown.
	Size   int64
	Format Format

	close   func() error
	records interface{ next() (Record, error) }
	raw     *counter // set if offsets are those of the compressed file
}

// Open opens the input at path, or stdin for the path "-", and reads as far as to know its format and columns. An
// input that is compressed with gzip is uncompressed.
func Open(path string, stdin io.Reader, o Options) (*Input, error) {
	in := &Input{Name: path, Format: o.Format, close: func() error { return nil }}
	file := stdin
	if path == Stdin {
		in.Name = "standard input"
	} else {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		file, in.close = f, f.Close
	}
	if f, ok := file.(*os.File); ok {
		info, err := f.Stat()
		if err == nil && info.IsDir() {
			err = fmt.Errorf("%s is a folder, not a file", in.Name)
		}
		if err != nil {
			return nil, errors.Join(err, in.close())
		}
		if info.Mode().IsRegular() {
			in.Size = info.Size()
		}
	}
	if err := in.start(file, o); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", in.Name, err), in.close())
	}
	return in, nil
}

// start looks at the input's first bytes and reads its header if it has one.
func (in *Input) start(file io.Reader, o Options) error {
	r := bufio.NewReaderSize(file, 64<<10)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		in.raw = &counter{r: r}
		z, err := gzip.NewReader(in.raw)
		if err != nil {
			return fmt.Errorf("uncompress: %w", err)
		}
		r = bufio.NewReaderSize(z, 64<<10)
	}
	head, err := r.Peek(3)
	if len(head) == 0 && err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	var skipped int64
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")): // byte order mark
		_, _ = r.Discard(3)
		skipped = 3
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return errors.New("is UTF-16 text: save it as UTF-8")
	case bytes.HasPrefix(head, []byte("PK\x03")):
		return errors.New("is a spreadsheet or a zip file: save it as CSV")
	}
	if in.Format == "" {
		in.Format = tell(in.Name, r)
	}
	if in.Format == JSONLines {
		in.records = newJSONLines(r, skipped, o)
		return nil
	}
	in.records, err = newCSV(r, skipped, o)
	return err
}

// tell finds the format by the name, or else by the first character.
func tell(name string, r *bufio.Reader) Format {
	name = strings.TrimSuffix(strings.ToLower(name), ".gz")
	switch {
	case strings.HasSuffix(name, ".csv"), strings.HasSuffix(name, ".tsv"):
		return CSV
	case strings.HasSuffix(name, ".jsonl"), strings.HasSuffix(name, ".ndjson"), strings.HasSuffix(name, ".json"):
		return JSONLines
	}
	for n := 1; n <= r.Size(); n++ {
		head, err := r.Peek(n)
		if err != nil {
			break
		}
		if c := head[n-1]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			if c == '{' || c == '[' {
				return JSONLines
			}
			break
		}
	}
	return CSV
}

// Next returns the next record. The error is a [*Refused] for a line that is no message, after which Next may be
// called again, io.EOF at the end, or the input's failure.
func (in *Input) Next() (Record, error) {
	record, err := in.records.next()
	refused, isRefused := errors.AsType[*Refused](err)
	if in.raw != nil {
		record.Offset = in.raw.n.Load()
		if isRefused {
			refused.Offset = record.Offset
		}
	}
	if err != nil && !isRefused && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: %w", in.Name, err)
	}
	return record, err
}

// Close closes the file.
func (in *Input) Close() error { return in.close() }

// counter counts the bytes that pass.
type counter struct {
	r *bufio.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

func (c *counter) ReadByte() (byte, error) {
	b, err := c.r.ReadByte()
	if err == nil {
		c.n.Add(1)
	}
	return b, err
}
