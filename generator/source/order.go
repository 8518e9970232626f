package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"
)

// maxSort is how many rows are sorted in memory: they take 200 MB. More are sorted in a file.
const maxSort = 5_000_000

// Ordered is an input whose records come in the order of their times.
type Ordered struct {
	*Input
	disorder time.Duration
	newest   Record // the newest record with a time
	next     func() (Record, error)
	sorter   *Sorter
}

// OpenOrdered reads a file with times once to find out whether it is sorted, and otherwise sorts
// it. Standard input cannot be sorted: a time that is behind the newest one by more than disorder
// ends it with an error. Ctx ends the opening only.
func OpenOrdered(
	ctx context.Context, path string, stdin io.Reader, o Options, disorder time.Duration,
) (*Ordered, error) {
	in, err := Open(path, stdin, o)
	if err != nil {
		return nil, err
	}
	ordered := &Ordered{Input: in, disorder: disorder, sorter: NewSorter(maxSort, os.TempDir())}
	ordered.next = func() (Record, error) {
		record, err := in.Next()
		if err == nil {
			err = ordered.check(record)
		}
		return record, err
	}
	if in.regular && in.times.String() != "" {
		ordered.disorder = 0
		if err := ordered.sort(ctx); err != nil {
			return nil, errors.Join(err, ordered.Close())
		}
	}
	return ordered, nil
}

// Next is Input.Next.
func (o *Ordered) Next() (Record, error) { return o.next() }

// Close closes the file, and that of the sorted rows.
func (o *Ordered) Close() error { return errors.Join(o.Input.Close(), o.sorter.Close()) }

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
func (o *Ordered) sort(ctx context.Context) error {
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
	var rejected []*Rejected
	err = o.Each(ctx, func(r Record, no *Rejected) error {
		if no != nil {
			rejected = append(rejected, no)
			return nil
		}
		o.saw(r.Time)
		return o.sorter.Add(r)
	})
	sorted, _ := iter.Pull2(o.sorter.All())
	given := 0.0
	o.next = func() (Record, error) {
		if len(rejected) > 0 {
			first := rejected[0]
			rejected = rejected[1:]
			return Record{}, first
		}
		r, err, ok := sorted()
		if !ok {
			return Record{}, io.EOF
		}
		given++
		r.Offset = int64(float64(o.Size) * given / float64(o.sorter.Len()))
		return r, err
	}
	return err
}
