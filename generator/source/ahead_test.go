package source

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

func TestAheadOfASilentInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		a := ReadAhead(func(yield func(Record, error) bool) {
			for line := range lines {
				yield(Record{Line: len(line)}, nil)
			}
			yield(Record{}, io.ErrUnexpectedEOF)
		})
		if _, err := a.Next(t.Context(), false); !errors.Is(err, ErrPending) {
			t.Errorf("nothing there: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Next(ctx, true); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("nothing comes: %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			lines <- "four"
			close(lines)
		}()
		if record, err := a.Next(t.Context(), true); err != nil || record.Line != 4 {
			t.Errorf("a line comes: %+v, %v", record, err)
		}
		for _, want := range []error{io.ErrUnexpectedEOF, io.EOF} {
			if _, err := a.Next(t.Context(), true); !errors.Is(err, want) {
				t.Errorf("the input breaks: %v, want %v", err, want)
			}
		}
		<-a.Stop()
	})
}

func TestAheadStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	a := ReadAhead(func(yield func(Record, error) bool) {
		for yield(Record{}, nil) {
		}
	})
	if _, err := a.Next(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	select {
	case <-a.Stop():
	case <-time.After(10 * time.Second):
		t.Fatal("it reads on")
	}
}
