package source

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// An input is read while nobody takes its records, to its end or to that of the context.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		items := ReadAhead(t.Context(), func(yield func(Record, error) bool) {
			_ = yield(Record{Line: 4}, nil) && yield(Record{}, io.ErrUnexpectedEOF)
		})
		synctest.Wait()
		if len(items) != 2 {
			t.Errorf("%d items are there", len(items))
		}
		first, second := <-items, <-items
		_, open := <-items
		if first.Line != 4 || first.Err != nil || second.Err != io.ErrUnexpectedEOF || open {
			t.Errorf("%+v, %+v, open %v", first, second, open)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = ReadAhead(ctx, func(yield func(Record, error) bool) {
			for yield(Record{}, nil) {
			}
		})
		<-ctx.Done()
		synctest.Wait() // and it blocks no more, or the bubble would not end
	})
}
