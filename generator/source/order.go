package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"colorstream/generator/message"
)

// MaxSort is how many rows are sorted in memory: they take about 250 MB.
const MaxSort = 5_000_000

// Ordered is an input whose records come in the order of their times.
type Ordered struct {
	*Input
	newest   Record // the newest record with a time
	maxSort  int
	refused  []*Refused // of a sorted file; they come first
	sorted   []sortRow  // of a sorted file, those that are left
	total    int
	texts    []string // that the sorted rows hold the numbers of
	inMemory bool
}

// OpenOrdered reads a file with times once to find out whether it is sorted, and otherwise sorts it
// in memory; rows of the same time keep their order, and rows without one stay behind the row before
// them. Standard input cannot be sorted: a time that is behind the newest one by more than
// Options.Disorder ends it with an error. Ctx ends the opening only.
func OpenOrdered(ctx context.Context, path string, stdin io.Reader, o Options) (*Ordered, error) {
	return openOrdered(ctx, path, stdin, o, MaxSort)
}

func openOrdered(ctx context.Context, path string, stdin io.Reader, o Options, maxSort int) (*Ordered, error) {
	found := o.Found
	o.Found = nil
	in, err := Open(path, stdin, o)
	if err != nil {
		return nil, err
	}
	ordered := &Ordered{Input: in, maxSort: maxSort}
	if !in.regular {
		in.options.Found = found
		return ordered, nil
	}
	if in.plan.Times != "" {
		if err := ordered.sort(ctx); err != nil {
			return nil, errors.Join(err, in.Close())
		}
	}
	if found != nil {
		found(in.plan)
	}
	return ordered, nil
}

// Next is Input.Next.
func (o *Ordered) Next() (Record, error) {
	if !o.inMemory {
		record, err := o.Input.Next()
		if err == nil {
			err = o.check(record)
		}
		return record, err
	}
	if len(o.refused) > 0 {
		r := o.refused[0]
		o.refused = o.refused[1:]
		return Record{}, r
	}
	if len(o.sorted) == 0 {
		return Record{}, io.EOF
	}
	r := o.sorted[0]
	o.sorted = o.sorted[1:]
	record := Record{
		Message: message.Message{Color: o.texts[r.color], Name: o.texts[r.name], Value: r.value},
		Line:    int(r.line),
		Offset:  int64(float64(o.Size) * float64(o.total-len(o.sorted)) / float64(o.total)),
	}
	if r.timed {
		record.Time = time.Unix(0, r.at).UTC()
	}
	return record, nil
}

// A disorderError says which record is before one that came earlier.
type disorderError struct{ late, newest Record }

func (e *disorderError) Error() string {
	return fmt.Sprintf("line %d: time %s is before %s of line %d", e.late.Line, e.late.Time.Format(time.RFC3339Nano),
		e.newest.Time.Format(time.RFC3339Nano), e.newest.Line)
}

// check returns an error for a record that is behind the newest one by more than it may be.
func (o *Ordered) check(r Record) error {
	if r.Time.IsZero() {
		return nil
	}
	disorder := o.options.Disorder
	if o.regular {
		disorder = 0
	}
	if r.Time.Before(o.newest.Time.Add(-disorder)) && !o.newest.Time.IsZero() {
		err := error(&disorderError{r, o.newest})
		if !o.regular {
			err = fmt.Errorf("%s: %w: standard input cannot be sorted: give the file's name, use `worker import`, "+
				"or allow for late rows with GENERATOR_INPUT_DISORDER", o.Name, err)
		}
		return err
	}
	if r.Time.After(o.newest.Time) {
		o.newest = r
	}
	return nil
}

// sort reads the whole file, and keeps its rows in order if they are not.
func (o *Ordered) sort(ctx context.Context) error {
	plan := o.plan
	err := o.each(ctx, func(r Record, refused *Refused) error {
		if refused != nil {
			return nil
		}
		plan.span(r.Time)
		return o.check(r)
	})
	o.newest = Record{}
	disorder, unsorted := errors.AsType[*disorderError](err)
	if unsorted {
		plan.Disorder = disorder.Error()
		err = o.load(ctx, disorder)
		for _, r := range o.sorted {
			plan.span(time.Unix(0, r.at).UTC())
		}
	}
	plan.Whole = true
	o.plan = plan
	if err != nil || unsorted {
		return err
	}
	return o.rewind()
}

// each calls f with all records and refused rows, from the first.
func (o *Ordered) each(ctx context.Context, f func(Record, *Refused) error) error {
	if err := o.rewind(); err != nil {
		return err
	}
	for n := 0; ; n++ {
		if n%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		record, err := o.Input.Next()
		refused, isRefused := errors.AsType[*Refused](err)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !isRefused:
			return err
		}
		if err := f(record, refused); err != nil {
			return err
		}
	}
}

// A sortRow is a record in 40 bytes.
type sortRow struct {
	at           int64 // nanoseconds since 1970
	value        float64
	line, number uint32 // number in the file
	color, name  uint32 // indexes of texts
	timed        bool   // at is its own time
}

// load takes all rows into memory and sorts them.
func (o *Ordered) load(ctx context.Context, disorder *disorderError) error {
	o.inMemory = true
	known := make(map[string]uint32)
	intern := func(text string) uint32 {
		n, ok := known[text]
		if !ok {
			n = uint32(len(o.texts))
			known[text] = n
			o.texts = append(o.texts, text)
		}
		return n
	}
	at := disorder.late.Time.UnixNano() // of rows before the first time
	err := o.each(ctx, func(r Record, refused *Refused) error {
		switch {
		case len(o.sorted)+len(o.refused) >= o.maxSort:
			return fmt.Errorf("%s: %w, and there are more than %d rows: `worker import` takes them in any order",
				o.Name, disorder, o.maxSort)
		case refused != nil:
			o.refused = append(o.refused, refused)
			return nil
		case !r.Time.IsZero():
			at = r.Time.UnixNano()
		}
		o.sorted = append(o.sorted, sortRow{
			at: at, value: r.Value, line: uint32(r.Line), number: uint32(len(o.sorted)),
			color: intern(r.Color), name: intern(r.Name), timed: !r.Time.IsZero(),
		})
		return nil
	})
	o.total = len(o.sorted)
	slices.SortFunc(o.sorted, func(a, b sortRow) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.number, b.number))
	})
	return err
}
