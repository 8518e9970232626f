package source

import (
	"context"
	"errors"
	"io"
	"iter"
)

// ErrPending says that no record is at hand yet.
var ErrPending = errors.New("the next record has not come yet")

// Ahead reads an input on a goroutine of its own, so that whoever takes its records can do
// something else while the input (a pipe, a terminal) is silent.
type Ahead struct {
	items chan item
	stop  context.CancelFunc
	done  chan struct{}
}

type item struct {
	record Record
	err    error
}

// ReadAhead starts to read. Stop must be called in the end.
func ReadAhead(rows iter.Seq2[Record, error]) *Ahead {
	ctx, stop := context.WithCancel(context.Background())
	a := &Ahead{items: make(chan item, 1024), stop: stop, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		send := func(r Record, err error) bool {
			select {
			case a.items <- item{r, err}:
				return true
			case <-ctx.Done():
				return false
			}
		}
		for r, err := range rows {
			if !send(r, err) {
				return
			}
		}
		send(Record{}, io.EOF)
	}()
	return a
}

// Next returns the next record, io.EOF after the last, or the input's failure. If none has come
// yet, it waits for one until ctx ends, or returns ErrPending if it is not to wait.
func (a *Ahead) Next(ctx context.Context, wait bool) (Record, error) {
	select {
	case i := <-a.items:
		return i.record, i.err
	default:
	}
	if !wait {
		return Record{}, ErrPending
	}
	select {
	case i := <-a.items:
		return i.record, i.err
	case <-ctx.Done():
		return Record{}, context.Cause(ctx)
	}
}

// Stop ends the reading. The channel tells when it has ended: at once, unless a read of a silent
// input is under way, which only input or the process's end can end.
func (a *Ahead) Stop() <-chan struct{} {
	a.stop()
	return a.done
}
