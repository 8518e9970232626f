package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"
)

// Ordered is an input whose records come in the order of their times.
type Ordered struct {
	*Input
	disorder time.Duration
	newest   Record                       // the newest record with a time
	sorted   func() (Record, error, bool) // of a file that is not sorted
}

// OpenOrdered reads a file with times once to find out whether it is sorted, and otherwise sorts it
// in memory. Standard input cannot be sorted: a time that is behind the newest one by more than
// disorder ends it with an error. Ctx ends the opening only.
func OpenOrdered(
	ctx context.Context, path string, stdin io.Reader, o Options, disorder time.Duration,
) (*Ordered, error) {
	return openOrdered(ctx, path, stdin, o, disorder, MaxSort)
}

func openOrdered(
	ctx context.Context, path string, stdin io.Reader, o Options, disorder time.Duration, maxSort int,
) (*Ordered, error) {
	in, err := Open(path, stdin, o)
	if err != nil {
		return nil, err
	}
	ordered := &Ordered{Input: in, disorder: disorder}
	if in.regular && in.times.String() != "" {
		ordered.disorder = 0
		if err := ordered.sort(ctx, maxSort); err != nil {
			return nil, errors.Join(err, in.Close())
		}
	}
	return ordered, nil
}

// Next is Input.Next.
func (o *Ordered) Next() (Record, error) {
	if o.sorted == nil {
		record, err := o.Input.Next()
		if err == nil {
			err = o.check(record)
		}
		return record, err
	}
	record, err, ok := o.sorted()
	if !ok {
		return Record{}, io.EOF
	}
	return record, err
}

// A disorderError says which record is before one that came earlier.
type disorderError struct{ late, newest Record }

func (e *disorderError) Error() string {
	return fmt.Sprintf("line %d: time %s is before %s of line %d",
		e.late.Line, e.late.Time.Format(time.RFC3339Nano),
		e.newest.Time.Format(time.RFC3339Nano), e.newest.Line)
}

// check returns an error for a record that is behind the newest one by more than it may be.
func (o *Ordered) check(r Record) error {
	if r.Time.IsZero() {
		return nil
	}
	if r.Time.Before(o.newest.Time.Add(-o.disorder)) && !o.newest.Time.IsZero() {
		err := error(&disorderError{r, o.newest})
		if !o.regular {
			err = fmt.Errorf("%s: %w: standard input cannot be sorted: give the file's name, "+
				"use `worker import`, or allow for late rows with GENERATOR_INPUT_DISORDER", o.Name, err)
		}
		return err
	}
	if r.Time.After(o.newest.Time) {
		o.newest = r
	}
	return nil
}

// sort reads the whole file, and sorts its rows if they are not in order. The rejected ones then
// come first.
func (o *Ordered) sort(ctx context.Context, maxSort int) error {
	err := o.Each(ctx, func(r Record, rejected *Rejected) error {
		if rejected != nil {
			return nil
		}
		o.saw(r.Time)
		return o.check(r)
	})
	disorder, unsorted := errors.AsType[*disorderError](err)
	if err != nil && !unsorted {
		return err
	}
	if err := o.rewind(); err != nil {
		return err
	}
	o.newest, o.whole = Record{}, true
	if !unsorted {
		return nil
	}
	o.Input.disorder = disorder.Error()
	sorter := NewSorter(maxSort, "")
	var rejected []*Rejected
	err = o.Each(ctx, func(r Record, no *Rejected) error {
		if no != nil {
			rejected = append(rejected, no)
			return nil
		}
		o.saw(r.Time)
		return sorter.Add(r)
	})
	if errors.Is(err, ErrFull) {
		err = fmt.Errorf("%s: %w, and there are more than %d rows: "+
			"`worker import` takes them in any order", o.Name, disorder, maxSort)
	}
	o.sorted, _ = iter.Pull2(func(yield func(Record, error) bool) {
		for _, r := range rejected {
			if !yield(Record{}, r) {
				return
			}
		}
		given := 0.0
		for r, err := range sorter.All() {
			given++
			r.Offset = int64(float64(o.Size) * given / float64(sorter.Len()))
			if !yield(r, err) {
				return
			}
		}
	})
	return err
}
