package main

import (
	"math"
	"testing"
	"time"
)

// A rate is kept exactly, however odd: no message's due time is computed from another's. At a high
// one, messages fall due in groups.
func TestSteadyPace(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{1, 3, 7, 499, 999, 1001, 123_456, 500_000, 1e6 / 3} {
		p := steady(float64(time.Second) / rate)
		groups := 0
		last := time.Duration(-1)
		n := int(rate*10) + 1 // the last is due after ten seconds, or within the last interval
		for range n {
			due := p(time.Time{})
			if due < last {
				t.Fatalf("rate %g: due times go back", rate)
			}
			if due != last {
				groups++
			}
			last = due
		}
		exact := time.Duration(float64(n-1) / rate * float64(time.Second))
		if off := last - exact; off < -1 || off > grain || rate < 500 && off > 1 {
			t.Errorf("rate %g: message %d is due %s off", rate, n, off)
		}
		want := n
		if rate > 500 {
			want = 2001 // every 5 ms
		}
		if groups != want {
			t.Errorf("rate %g: %d groups in ten seconds, want %d", rate, groups, want)
		}
	}
}

// What is further apart than a Duration can say does not overflow.
func TestSlowestPace(t *testing.T) {
	t.Parallel()
	slow, start := byTimes(1e-9), time.Unix(1_600_000_000, 0)
	if first, last := slow(start), slow(start.Add(math.MaxInt64)); first != 0 || last != math.MaxInt64 {
		t.Errorf("due after %s and %s", first, last)
	}
}
