package main

import (
	"os"
	"testing"
	"time"

	"colorstream/generator/ledger"
	"colorstream/generator/source"
)

func TestShare(t *testing.T) {
	t.Parallel()
	l := ledger.New()
	if got := share(l, 0, 0); got != -1 {
		t.Errorf("without an end: %g", got)
	}
	for line := range 30 {
		l.Read(source.Record{Line: line + 2, Offset: int64(line+1) * 10})
	}
	for _, c := range []struct {
		count, size int64
		want        float64
	}{{0, 1000, 0.3}, {60, 0, 0.5}, {60, 1000, 0.5}, {100, 400, 0.75}, {0, 100, 1}} {
		if got := share(l, c.count, c.size); got != c.want {
			t.Errorf("count %d, size %d: %g, want %g", c.count, c.size, got, c.want)
		}
	}
}

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
	if isTerminal(f) || isTerminal(new(output)) {
		t.Error("a file is taken for a terminal")
	}
}
