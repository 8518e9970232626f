package source

import (
	"context"
	"iter"
)

// An Item is a record, or the failure that ended the input.
type Item struct {
	Record
	Err error
}

// ReadAhead reads rows on a goroutine of its own, until their end or that of ctx, so that whoever
// takes them can do something else while the input (a pipe, a terminal) is silent. The channel is
// closed when the goroutine has ended, which a read of a silent input delays.
func ReadAhead(ctx context.Context, rows iter.Seq2[Record, error]) <-chan Item {
	items := make(chan Item, 1024)
	go func() {
		defer close(items)
		for r, err := range rows {
			select {
			case items <- Item{r, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	return items
}
