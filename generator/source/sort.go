package source

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"
	"os"
	"slices"
	"time"

	"colorstream/generator/message"
)

// A Sorter puts records in the order of their times; those of the same time keep the order in which
// they were added, and those without one stay behind the record before them. What memory does not
// hold is written to a temporary file in sorted runs, which All merges. The file has no name, so
// that nothing is left of it however the program ends.
type Sorter struct {
	limit int    // records in memory
	dir   string // of the temporary file
	rows  []sortRow
	last  int64
	count int
	texts []string
	known map[string]uint32

	file *os.File
	runs int // in the file, each of limit records
}

// A sortRow is a record in 40 bytes, of which 29 are written to the file.
type sortRow struct {
	At          int64 // nanoseconds since 1970
	Value       float64
	Line        uint32
	Color, Name uint32 // indexes of texts
	Timed       bool   // At is its own time
}

var rowSize = binary.Size(sortRow{})

// NewSorter makes a sorter that holds at most limit records in memory, and the others in a
// temporary file in the folder dir.
func NewSorter(limit int, dir string) *Sorter {
	return &Sorter{limit: limit, dir: dir, last: math.MinInt64, known: make(map[string]uint32)}
}

// Len is the number of records.
func (s *Sorter) Len() int { return s.count }

// Add adds a record. Its offset is not kept.
func (s *Sorter) Add(r Record) error {
	if s.rows == nil {
		s.rows = make([]sortRow, 0, s.limit) // growing would take twice the memory
	}
	if len(s.rows) == s.limit {
		if err := s.spill(); err != nil {
			return fmt.Errorf("sort on disk: %w", err)
		}
	}
	if !r.Time.IsZero() {
		s.last = r.Time.UnixNano()
	}
	s.rows = append(s.rows, sortRow{
		At: s.last, Value: r.Value, Line: uint32(r.Line),
		Color: s.intern(r.Color), Name: s.intern(r.Name), Timed: !r.Time.IsZero(),
	})
	s.count++
	return nil
}

func (s *Sorter) intern(text string) uint32 {
	n, ok := s.known[text]
	if !ok {
		n = uint32(len(s.texts))
		s.known[text] = n
		s.texts = append(s.texts, text)
	}
	return n
}

func (s *Sorter) sort() {
	slices.SortStableFunc(s.rows, func(a, b sortRow) int { return cmp.Compare(a.At, b.At) })
}

// spill writes the records in memory as one more run.
func (s *Sorter) spill() (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp(s.dir, "sort-*"); err != nil {
			return err
		}
		if err := os.Remove(s.file.Name()); err != nil {
			return err
		}
	}
	s.sort()
	w := bufio.NewWriterSize(s.file, bufferSize)
	var b []byte
	for i := range s.rows {
		b, _ = binary.Append(b[:0], binary.LittleEndian, &s.rows[i])
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	s.runs++
	s.rows = s.rows[:0]
	return w.Flush()
}

// All gives the records in order. It may be called again, once no more are added.
func (s *Sorter) All() iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		s.sort()
		runs, err := s.open()
		for err == nil && len(runs) > 0 {
			first := 0
			for i, run := range runs { // of the same time, the earlier run's row comes first
				if run.row.At < runs[first].row.At {
					first = i
				}
			}
			if !yield(s.record(runs[first].row), nil) {
				return
			}
			if err = runs[first].next(); errors.Is(err, io.EOF) {
				runs, err = slices.Delete(runs, first, first+1), nil
			}
		}
		if err != nil {
			yield(Record{}, fmt.Errorf("sort on disk: %w", err))
		}
	}
}

func (s *Sorter) record(r sortRow) Record {
	record := Record{
		Message: message.Message{Color: s.texts[r.Color], Name: s.texts[r.Name], Value: r.Value},
		Line:    int(r.Line),
	}
	if r.Timed {
		record.Time = time.Unix(0, r.At).UTC()
	}
	return record
}

// open reads the first record of every run; the last run is in memory.
func (s *Sorter) open() (runs []*sortRun, err error) {
	size := s.limit * rowSize
	for i := range s.runs + 1 {
		run := &sortRun{rows: s.rows}
		if i < s.runs {
			section := io.NewSectionReader(s.file, int64(i)*int64(size), int64(size))
			// Many runs share the memory that one would take.
			run.file = bufio.NewReaderSize(section, max(4096, min(bufferSize, 64<<20/s.runs)))
		}
		switch err := run.next(); {
		case err == nil:
			runs = append(runs, run)
		case !errors.Is(err, io.EOF):
			return nil, err
		}
	}
	return runs, nil
}

// Close frees the file.
func (s *Sorter) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// A sortRun reads one run, from the file or from memory.
type sortRun struct {
	file *bufio.Reader
	rows []sortRow
	row  sortRow
}

// next reads the next row; io.EOF is the end.
func (r *sortRun) next() error {
	if r.file != nil {
		return binary.Read(r.file, binary.LittleEndian, &r.row)
	}
	if len(r.rows) == 0 {
		return io.EOF
	}
	r.row, r.rows = r.rows[0], r.rows[1:]
	return nil
}
