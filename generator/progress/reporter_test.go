package progress

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpeedometer(t *testing.T) {
	t.Parallel()
	s := new(speedometer)
	now := time.Unix(0, 0)
	if got := s.at(now, 100); got != 0 {
		t.Errorf("at first %g", got)
	}
	for i := range uint64(50) {
		now = now.Add(200 * time.Millisecond)
		if got := s.at(now, 100+10*(i+1)); got < 49.9 || got > 50.1 {
			t.Fatalf("step %d: %g a second, want 50", i, got)
		}
	}
	for range 16 {
		now = now.Add(200 * time.Millisecond)
		s.at(now, 600)
	}
	if got := s.at(now.Add(200*time.Millisecond), 600); got != 0 {
		t.Errorf("when nothing goes on: %g", got)
	}
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

// A log has a line now and then for work that has an end, and none for work without one.
func TestFollow(t *testing.T) {
	t.Parallel()
	for share, lines := range map[float64]int{-1: 0, 0.5: 2} {
		synctest.Test(t, func(t *testing.T) {
			var text strings.Builder
			ctx, stop := context.WithTimeout(t.Context(), 70*time.Second)
			defer stop()
			r := NewReporter(&text, "", "text")
			r.Follow(ctx, slog.New(slog.NewTextHandler(r, nil)),
				func() time.Duration { return 0 }, func() Sample {
					return Sample{Share: share, Count: 7, Attrs: []any{"published", 7}}
				})
			if n := strings.Count(text.String(), "percent=50 per_second=0 published=7"); n != lines {
				t.Errorf("%g: %d lines, want %d", share, n, lines)
			}
		})
	}
}
