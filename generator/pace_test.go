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

func TestPaceByTimes(t *testing.T) {
	t.Parallel()
	const s = time.Second
	start := time.Unix(1_600_000_000, 0)
	next := func(p pace, at time.Time, want time.Duration) {
		t.Helper()
		if got := p(at); got != want {
			t.Errorf("due after %s, want %s", got, want)
		}
	}
	p := byTimes(1)
	next(p, time.Time{}, 0) // no time: at once
	next(p, start, 0)
	next(p, start.Add(10*s), 10*s)
	next(p, start.Add(3*s), 10*s) // before one already seen: at once
	next(p, time.Time{}, 10*s)
	next(p, start.Add(11*s), 11*s) // what was out of order changes nothing

	fast := byTimes(60)
	next(fast, start, 0)
	next(fast, start.Add(time.Hour), time.Minute)
	slow := byTimes(1e-9)
	next(slow, start, 0)
	next(slow, start.Add(math.MaxInt64), math.MaxInt64) // no overflow
}
