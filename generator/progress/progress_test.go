package progress

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// What is written stands above the line.
func TestLine(t *testing.T) {
	t.Parallel()
	var screen strings.Builder
	r := &Reporter{w: &screen}
	write := func(text string) {
		if n, err := fmt.Fprint(r, text); n != len(text) || err != nil {
			t.Errorf("%d, %v", n, err)
		}
	}
	want := func(text string) {
		t.Helper()
		if screen.String() != text {
			t.Errorf("%q, want %q", screen.String(), text)
		}
		screen.Reset()
	}
	write("log 1\n")
	want("log 1\n")
	r.show("50%")
	want("\r\x1b[K50%")
	r.show("50%")
	want("")
	write("log 2\n")
	want("\r\x1b[Klog 2\n50%")
	r.show("")
	want("\r\x1b[K")
	write("log 3\n")
	want("log 3\n")
}

func TestCompose(t *testing.T) {
	t.Parallel()
	want := func(share float64, rate float64, elapsed time.Duration, text string) {
		t.Helper()
		if got := compose(Sample{Share: share, Elapsed: elapsed, Done: "7 published"}, rate); got != text {
			t.Errorf("%q, want %q", got, text)
		}
	}
	want(-1, 1, time.Minute, "7 published  1.0/s")
	want(0, 0, time.Minute, "  0%  7 published  0.0/s")
	want(0.25, 1234.5, time.Minute, " 25%  7 published  1234.5/s  3m0s left")
	want(1, 12.5, time.Minute, "100%  7 published  12.5/s")
	want(0.5, 12.5, time.Millisecond, " 50%  7 published  12.5/s")
}

func TestIsTerminal(t *testing.T) {
	t.Parallel()
	f, err := os.CreateTemp(t.TempDir(), "log")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) || isTerminal(new(strings.Builder)) {
		t.Error("a file is taken for a terminal")
	}
}

// follow gives what is written in a time of work of which 10 are done in each second, for 5 s.
func follow(t *testing.T, r *Reporter, share float64, last time.Duration) string {
	var text strings.Builder
	r.w = &text
	ctx, stop := context.WithTimeout(t.Context(), last)
	defer stop()
	start := time.Now()
	r.Follow(ctx, slog.New(slog.NewTextHandler(r, nil)), func() Sample {
		count := uint64(min(time.Since(start), 5*time.Second) / (100 * time.Millisecond))
		return Sample{Share: share, Count: count, Attrs: []any{"published", count}}
	})
	return text.String()
}

// A log has a line now and then for work that has an end, and none for work without one. A terminal
// shows the speed of the last seconds, and no line in the end.
func TestFollow(t *testing.T) {
	t.Parallel()
	for share, lines := range map[float64]int{-1: 0, 0.5: 2} {
		synctest.Test(t, func(t *testing.T) {
			text := follow(t, &Reporter{}, share, 70*time.Second)
			if strings.Count(text, "percent=50 per_second=0 published=50") != lines ||
				strings.Count(text, "\n") != lines {
				t.Errorf("%g: want %d lines:\n%s", share, lines, text)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		text := follow(t, &Reporter{terminal: true}, -1, 15*time.Second)
		for line, n := range map[string]int{"  10.0/s": 1, "  0.0/s": 2} { // also at the start
			if strings.Count(text, line) != n {
				t.Errorf("%q is not shown %d times in %q", line, n, text)
			}
		}
		if !strings.HasSuffix(text, eraseLine) {
			t.Errorf("the line is left: %q", text)
		}
	})
}
