package source

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAheadOfASilentInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		lines := make(chan string)
		ended := false
		a := ReadAhead(func() (Record, error) {
			line, ok := <-lines
			if !ok {
				if ended {
					t.Error("it reads on after the end")
				}
				ended = true
				return Record{}, io.ErrUnexpectedEOF
			}
			return Record{Line: len(line)}, nil
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
		if _, err := a.Next(t.Context(), true); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the input breaks: %v", err)
		}
		<-a.Stop()
	})
}

func TestAheadStopsInTheMiddle(t *testing.T) {
	t.Parallel()
	r := bufio.NewReader(strings.NewReader(strings.Repeat("x", 1<<20)))
	a := ReadAhead(func() (Record, error) {
		_, err := r.ReadByte()
		return Record{}, err
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
