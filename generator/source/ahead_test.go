package source

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAheadKeepsOrderAndEnd(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	text.WriteString("color,value\n")
	for i := range 5000 {
		fmt.Fprintf(&text, "red,%d\n", i)
	}
	text.WriteString("red,x\n")
	in, err := Open(Stdin, strings.NewReader(text.String()), Options{})
	if err != nil {
		t.Fatal(err)
	}
	a := ReadAhead(in.Next)
	for i := range 5000 {
		record, err := a.Next(t.Context(), true)
		if err != nil || record.Value != float64(i) {
			t.Fatalf("record %d: %+v, %v", i, record, err)
		}
	}
	if _, err := a.Next(t.Context(), true); err == nil ||
		err.Error() != `line 5002: value "x" is not a number` {
		t.Errorf("rejected line: %v", err)
	}
	for range 2 {
		if _, err := a.Next(t.Context(), true); !errors.Is(err, io.EOF) {
			t.Errorf("end: %v", err)
		}
	}
	<-a.Stop()
}

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

func BenchmarkAhead(b *testing.B) {
	a := ReadAhead(func() (Record, error) { return Record{}, nil })
	for b.Loop() {
		if _, err := a.Next(b.Context(), true); err != nil {
			b.Fatal(err)
		}
	}
	<-a.Stop()
}
