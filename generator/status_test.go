package main

import (
	"testing"

	"colorstream/generator/tally"
)

func TestShare(t *testing.T) {
	t.Parallel()
	if got := share(tally.Counts{}, 0, 0); got != -1 {
		t.Errorf("without an end: %g", got)
	}
	read := tally.Counts{Read: 33, Rejected: 3, Offset: 300}
	for _, c := range []struct {
		count, size int64
		want        float64
	}{{0, 1000, 0.3}, {60, 0, 0.5}, {60, 1000, 0.5}, {100, 400, 0.75}, {0, 100, 1}} {
		if got := share(read, c.count, c.size); got != c.want {
			t.Errorf("count %d, size %d: %g, want %g", c.count, c.size, got, c.want)
		}
	}
}
