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

// OpenOrdered opens an input whose rows are given in the order of their times. It reads a file with
// times once to find out whether it is sorted, and otherwise sorts it; the rejected rows then come
// first. Standard input cannot be sorted: a time that is behind the newest one by more than
// disorder ends it with an error. Ctx ends the opening only.
func OpenOrdered(
	ctx context.Context, path string, stdin io.Reader, o Options, disorder time.Duration,
) (*Input, iter.Seq2[Record, error], error) {
	in, err := Open(path, stdin, o)
	if err != nil {
		return nil, nil, err
	}
	if !in.regular || in.times.String() == "" {
		return in, in.inOrder(context.Background(), disorder), nil
	}
	rows, err := in.sorted(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	return in, rows, nil
}

// A disorderError says which record is before one that came earlier.
type disorderError struct{ late, newest Record }

func (e *disorderError) Error() string {
	return fmt.Sprintf("line %d: time %s is before %s of line %d",
		e.late.Line, e.late.Time.Format(time.RFC3339Nano),
		e.newest.Time.Format(time.RFC3339Nano), e.newest.Line)
}

// inOrder gives the rows up to one that is behind the newest one by more than it may be.
func (in *Input) inOrder(ctx context.Context, disorder time.Duration) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var newest Record
		for r, err := range in.All(ctx) {
			switch {
			case r.Time.IsZero():
			case r.Time.Before(newest.Time.Add(-disorder)) && !newest.Time.IsZero():
				err = error(&disorderError{r, newest})
				if !in.regular {
					err = fmt.Errorf("%s: %w: standard input cannot be sorted: give the file's name, "+
						"use `worker import`, or allow for late rows with GENERATOR_INPUT_DISORDER", in.Name, err)
				}
			case r.Time.After(newest.Time):
				newest = r
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// sorted gives the rows of a file in the order of their times.
func (in *Input) sorted(ctx context.Context) (iter.Seq2[Record, error], error) {
	var disorder *disorderError
	for r, err := range in.inOrder(ctx, 0) {
		if unsorted := errors.As(err, &disorder); err != nil && !unsorted {
			return nil, err
		}
		in.saw(r.Time)
	}
	if err := in.rewind(); err != nil {
		return nil, err
	}
	in.whole = true
	if disorder == nil {
		return in.All(context.Background()), nil
	}
	in.disorder = disorder.Error()
	sorter := NewSorter(maxSort, os.TempDir())
	var rejected []Record
	for r, err := range in.All(ctx) {
		switch {
		case err == nil && r.Rejected != nil:
			rejected = append(rejected, r)
		case err == nil:
			in.saw(r.Time)
			err = sorter.Add(r)
		}
		if err != nil {
			return nil, errors.Join(err, sorter.Close())
		}
	}
	return func(yield func(Record, error) bool) {
		defer sorter.Close()
		for _, r := range rejected {
			if !yield(r, nil) {
				return
			}
		}
		given := 0.0
		for r, err := range sorter.All() {
			given++
			r.Offset = int64(float64(in.Size) * given / float64(sorter.Len()))
			if !yield(r, err) {
				return
			}
		}
	}, nil
}
