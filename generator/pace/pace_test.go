package pace

import (
	"testing"
	"time"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

type pacer interface {
	Next(now, at time.Time) time.Time
}

// step asks for the next due time and tells it as a time since epoch.
func step(t *testing.T, p pacer, now time.Duration, at time.Time, want time.Duration) {
	t.Helper()
	if got := p.Next(epoch.Add(now), at).Sub(epoch); got != want {
		t.Errorf("at %s due %s, want %s", now, got, want)
	}
}

func TestSteady(t *testing.T) {
	t.Parallel()
	const s, ms = time.Second, time.Millisecond
	p := NewSteady(epoch, float64(s))
	none := time.Time{}
	step(t, p, 0, none, 0)
	step(t, p, 10*ms, none, s)
	step(t, p, s+200*ms, none, 2*s)
	step(t, p, 30*s, none, 3*s) // late messages are due when they were
	p.PutOff(10 * s)
	step(t, p, 30*s, none, 14*s)
	step(t, p, 30*s, none, 15*s)
}

// A rate is kept exactly, however odd: no message's due time is computed from another's.
func TestSteadyDoesNotDrift(t *testing.T) {
	t.Parallel()
	for _, rate := range []float64{3, 7, 999, 1000, 1001, 123_456, 500_000, 1e6 / 3} {
		p := NewSteady(epoch, float64(time.Second)/rate)
		var due time.Time
		n := int(rate*10) + 1 // the last is due after ten seconds, or within the last interval
		last := epoch
		for range n {
			due = p.Next(last, time.Time{})
			if due.Before(last) {
				t.Fatalf("rate %g: due times go back", rate)
			}
			last = due
		}
		exact := time.Duration(float64(n-1) / rate * float64(time.Second))
		if off := due.Sub(epoch) - exact; off < -1 || off > grain {
			t.Errorf("rate %g: message %d is due %s off", rate, n, off)
		}
	}
}

func TestSteadyGroups(t *testing.T) {
	t.Parallel()
	p := NewSteady(epoch, float64(time.Second)/500_000)
	groups := map[time.Time]int{}
	now := epoch
	for range 500_000 {
		now = p.Next(now, time.Time{})
		groups[now]++
	}
	if len(groups) < 200 || len(groups) > 201 {
		t.Errorf("%d groups in a second", len(groups))
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	const s = time.Second
	at := func(after time.Duration) time.Time { return time.Unix(1_600_000_000, 0).Add(after) }
	p := NewTimes(1)
	step(t, p, 5*s, time.Time{}, 5*s) // no time: at once
	step(t, p, 5*s, at(0), 5*s)       // the first sets the start
	step(t, p, 5*s, at(10*s), 15*s)
	step(t, p, 15*s, at(3*s), 15*s)  // before one already seen: at once
	step(t, p, 15*s, at(10*s), 15*s) // at the same time
	step(t, p, 15*s, at(11*s), 16*s) // what was out of order changes nothing
	p.PutOff(3 * s)
	step(t, p, 16*s, at(12*s), 20*s)

	fast := NewTimes(60)
	step(t, fast, 0, at(0), 0)
	step(t, fast, 0, at(time.Hour), time.Minute)
	slow := NewTimes(1e-9)
	step(t, slow, 0, time.Unix(0, 0), 0)
	step(t, slow, 0, time.Unix(1<<33, 0), 1<<63-1) // no overflow
}

func TestMax(t *testing.T) {
	t.Parallel()
	step(t, Max{}, time.Hour, epoch, time.Hour)
}

func BenchmarkSteady(b *testing.B) {
	p := NewSteady(epoch, 2000)
	now := epoch
	for b.Loop() {
		now = p.Next(now, time.Time{})
	}
}
