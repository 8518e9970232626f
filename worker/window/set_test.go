package window

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const second = int64(time.Second)

// always is after every instant.
const always = 1<<63 - 1

func heardSet(cfg Config) *Set {
	s := NewSet(cfg)
	s.Heard(never)
	return s
}

// randomValue draws from all that a double can be: whole numbers with many duplicates, fractions, huge, tiny.
func randomValue(r *rand.Rand) float64 {
	switch r.IntN(8) {
	case 0, 1, 2:
		return float64(r.IntN(100) + 1)
	case 3:
		return float64(r.IntN(200) - 100)
	case 4:
		return r.NormFloat64()
	case 5:
		return math.Ldexp(r.Float64()-0.5, r.IntN(2000)-1000)
	case 6:
		return math.Copysign(math.MaxFloat64*r.Float64(), r.Float64()-0.5)
	default:
		return float64(r.IntN(10)) / 10
	}
}

// TestSetAgainstOracle runs random streams, with times in any order as far as the lateness allows, through a Set
// that is asked to close at random moments, with and without event times.
func TestSetAgainstOracle(t *testing.T) {
	for seed := range uint64(80) {
		r := rand.New(rand.NewPCG(seed, 0))
		width := time.Duration(1 + r.Int64N(int64(1)<<(10+r.IntN(34))))
		spread := int64(width) * (1 + r.Int64N(20))
		base := r.Int64N(int64(1)<<61) - int64(1)<<60
		events := seed%2 == 0
		set := heardSet(Config{Width: width, Lateness: time.Duration(spread), Idle: time.Duration(spread) + time.Second, Future: 1 << 62})
		var observations []observation
		var closed []*Window
		now := base
		for range r.IntN(3000) {
			o := observation{Color: fmt.Sprintf("c%d", r.IntN(1+int(seed%7))), Value: randomValue(r)}
			if events {
				// The arrival stands still, so that the source never counts as idle.
				o.At = base - spread + r.Int64N(spread)
				if v := set.AddEvent(o.Color, o.Value, base, o.At); v != Added {
					t.Fatalf("seed %d: verdict %v", seed, v)
				}
			} else {
				now += r.Int64N(int64(width)/50 + 2)
				o.At = now
				if v := set.Add(o.Color, o.Value, o.At); v != Added {
					t.Fatalf("seed %d: verdict %v", seed, v)
				}
			}
			observations = append(observations, o)
			if r.IntN(100) == 0 {
				closed = append(closed, set.Advance(now)...)
			}
		}
		closed = append(closed, set.Advance(always)...)
		for i, w := range closed {
			if w.Incomplete {
				t.Fatalf("seed %d: window %d is incomplete", seed, w.Start)
			}
			if i > 0 && !events && closed[i-1].Start >= w.Start {
				t.Fatalf("seed %d: window %d closes after %d", seed, w.Start, closed[i-1].Start)
			}
		}
		if diff := cmp.Diff(naive(observations, width), results(closed), cmp.Comparer(near), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, width %v: -naive +set\n%s", seed, width, diff)
		}
	}
}

// closing is what a test sees of a closed window.
type closing struct {
	Start      int64 // seconds
	Count      int64
	Incomplete bool
}

func closings(windows []*Window) (list []closing) {
	for _, w := range windows {
		list = append(list, closing{w.Start / second, w.Count(), w.Incomplete})
	}
	return list
}

func wantClosed(t *testing.T, windows []*Window, want ...closing) {
	t.Helper()
	if diff := cmp.Diff(want, closings(windows)); diff != "" {
		t.Errorf("closed windows: -want +got\n%s", diff)
	}
}

func wantVerdict(t *testing.T, got, want Verdict) {
	t.Helper()
	if got != want {
		t.Errorf("verdict %d, want %d", got, want)
	}
}

func TestWindowsAreHalfOpen(t *testing.T) {
	s := heardSet(Config{Width: 5 * time.Second})
	for _, at := range []int64{-1, 0, 5*second - 1, 5 * second, 9 * second} {
		wantVerdict(t, s.Add("red", 1, at), Added)
	}
	wantClosed(t, s.Advance(5*second-1), closing{-5, 1, false})
	wantClosed(t, s.Advance(5*second), closing{0, 2, false})
	wantClosed(t, s.Advance(5*second))
	wantVerdict(t, s.Add("red", 1, 5*second-1), Late)
	wantVerdict(t, s.Add("red", 1, -1), Late)
	wantClosed(t, s.Advance(20*second), closing{5, 2, false})
	wantVerdict(t, s.Add("red", 1, 10*second), Added) // nothing was in that window, so nothing is doubled
}

func TestEventTime(t *testing.T) {
	s := heardSet(Config{Width: 5 * time.Second, Lateness: 2 * time.Second, Idle: 5 * time.Second})
	year := 365 * 24 * 3600 * second
	at := 1_760_000_000 * second
	add := func(event int64, want Verdict) {
		t.Helper()
		wantVerdict(t, s.AddEvent("red", 1, at, event), want)
	}
	old := at - year
	add(old, Added)
	add(old+6*second, Added) // event time is old+4
	add(old+4*second, Added)
	wantClosed(t, s.Advance(at))
	add(old+7*second, Added) // event time is old+5: the first window has ended
	add(old+4*second, Late)
	wantClosed(t, s.Advance(at), closing{old / second, 2, false})
	add(old+4*second, Late)
	add(at+60*second, Added)
	add(at+60*second+1, Future)

	// That message took event time beyond the wall clock; but no window closes before the wall clock has passed
	// it, and until then messages without an event time are welcome.
	add(at-second, Late)
	wantClosed(t, s.Advance(at), closing{old/second + 5, 2, false})
	at += second
	wantVerdict(t, s.Add("red", 1, at), Added)
	wantClosed(t, s.Advance(at+4*second), closing{1_760_000_000, 1, false})

	// Silence closes what has passed; the past can then be told anew, but for what has been closed.
	at += 100 * second
	wantClosed(t, s.Advance(at), closing{1_760_000_060, 1, false})
	add(old-5*second, Added)
	add(old+4*second, Late)
	wantClosed(t, s.Advance(at+7*second-1))
	wantClosed(t, s.Advance(at+7*second), closing{old/second - 5, 1, false})
}

func TestMixedTimesShareAWindow(t *testing.T) {
	s := heardSet(Config{Width: 5 * time.Second})
	wantVerdict(t, s.Add("red", 1, 1*second), Added)
	wantVerdict(t, s.AddEvent("red", 3, 2*second, 1*second), Added)
	wantClosed(t, s.Advance(6*second)) // event time has come to 1 s only
	wantVerdict(t, s.AddEvent("red", 5, 6*second, 4*second), Added)
	wantVerdict(t, s.AddEvent("red", 1, 6*second, 6*second), Added)
	windows := s.Advance(6 * second)
	wantClosed(t, windows, closing{0, 3, false})
	if got := windows[0].Stats()[0].Mean; got != 3 {
		t.Errorf("mean %v", got)
	}
}

func TestIncomplete(t *testing.T) {
	s := NewSet(Config{Width: 5 * time.Second, Idle: 5 * time.Second})
	s.Heard(2 * second) // the worker starts inside the first window
	add := func(at int64) { t.Helper(); wantVerdict(t, s.Add("red", 1, at), Added) }
	add(3 * second)
	add(5 * second)
	wantClosed(t, s.Advance(10*second), closing{0, 1, true}, closing{5, 1, false})
	add(11 * second)
	s.Lost(12 * second)
	s.Lost(13 * second) // a second failure does not shorten the gap
	s.Heard(16 * second)
	add(17 * second)
	add(20 * second)
	wantClosed(t, s.Advance(25*second), closing{10, 1, true}, closing{15, 1, true}, closing{20, 1, false})
	add(26 * second)
	s.Lost(27 * second)
	wantClosed(t, s.Advance(30*second), closing{25, 1, true}) // still deaf
}

func TestIncompleteEventTime(t *testing.T) {
	s := NewSet(Config{Width: 5 * time.Second, Idle: 5 * time.Second})
	add := func(at, event int64) { t.Helper(); wantVerdict(t, s.AddEvent("red", 1, at, event), Added) }
	const at = 1000 * second
	s.Heard(at)
	s.Advance(at)     // silence since the start of time is not silence that was heard
	add(at, 2*second) // just after the start: who knows what came before it
	add(at, 6*second)
	add(at, 11*second)
	wantClosed(t, s.Advance(at), closing{0, 1, true}, closing{5, 1, false})
	s.Lost(at)
	s.Heard(at + second)
	add(at+second, 21*second)
	add(at+second, 25*second)
	wantClosed(t, s.Advance(at+second), closing{10, 1, true}, closing{20, 1, true})
	wantClosed(t, s.Advance(at+10*second), closing{25, 1, false})
	s.Lost(at + 20*second)
	s.Heard(at + 21*second)
	s.Advance(at + 30*second) // an idle time after the gap: what follows is whole
	add(at+31*second, 100*second)
	wantClosed(t, s.Advance(at+40*second), closing{100, 1, false})
}

func TestMaxColors(t *testing.T) {
	s := heardSet(Config{Width: time.Second, MaxColors: 2})
	wantVerdict(t, s.Add("a", 1, 0), Added)
	wantVerdict(t, s.Add("b", 1, 0), Added)
	wantVerdict(t, s.Add("c", 1, 0), TooManyColors)
	wantVerdict(t, s.Add("a", 1, 0), Added)
	wantVerdict(t, s.Add("c", 1, second), Added)
}

func TestExtremeTimes(t *testing.T) {
	s := heardSet(Config{Width: 7 * time.Second})
	wantVerdict(t, s.AddEvent("red", 1, 0, -1<<63+1), Added)
	wantVerdict(t, s.Add("red", 1, 1<<63-2), Added)
	if n := len(s.Advance(always)); n != 2 {
		t.Errorf("%d windows closed, want 2", n)
	}
}

// TestStateGoesOn stops and restores a set at random places: the points are those of a set that was never
// stopped.
func TestStateGoesOn(t *testing.T) {
	for seed := range uint64(16) {
		r := rand.New(rand.NewPCG(seed, 1))
		cfg := Config{Width: time.Second, MaxValues: 1 << 13}
		set := heardSet(cfg)
		var observations []observation
		var closed []*Window
		at := int64(0)
		for range 30_000 {
			at += r.Int64N(second / 5000)
			o := observation{string(rune('a' + r.IntN(3))), randomValue(r), at}
			if seed%2 == 0 {
				o.Value = float64(r.IntN(1 << 17))
			}
			wantVerdict(t, set.Add(o.Color, o.Value, o.At), Added)
			observations = append(observations, o)
			if r.IntN(3000) == 0 {
				closed = append(closed, set.Advance(at)...)
				next := NewSet(cfg)
				if err := next.Restore(gobRoundTrip(t, set.Snapshot())); err != nil {
					t.Fatal(err)
				}
				set = next
				set.Heard(at)
			}
		}
		closed = append(closed, set.Advance(always)...)
		want := naive(observations, time.Second)
		got := results(closed)
		if len(want) != len(got) {
			t.Fatalf("seed %d: %d points, want %d", seed, len(got), len(want))
		}
		for i := range want {
			w, g := want[i], got[i]
			if g.Stats.Approximate {
				if math.Abs(g.Stats.Median-w.Stats.Median) > MedianError*math.Abs(w.Stats.Median)*4 {
					t.Errorf("seed %d: approximate median %v, exact %v", seed, g.Stats.Median, w.Stats.Median)
				}
				g.Stats.Approximate, g.Stats.Median = false, w.Stats.Median
			}
			if diff := cmp.Diff(w, g, cmp.Comparer(near)); diff != "" {
				t.Fatalf("seed %d: -want +got\n%s", seed, diff)
			}
		}
	}
}

func TestRestoreNeverReopens(t *testing.T) {
	cfg := Config{Width: 5 * time.Second}
	s := heardSet(cfg)
	s.Add("red", 1, second)
	s.Add("red", 1, 6*second)
	before := s.Snapshot() // taken before the first window closed
	s.Advance(5 * second)

	after := NewSet(cfg)
	if err := after.Restore(s.Memory()); err != nil { // which one to believe was written last
		t.Fatal(err)
	}
	if err := after.Restore(before); err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, after.Add("red", 1, 2*second), Late)
	after.Heard(7 * second)
	wantClosed(t, after.Advance(20*second), closing{5, 1, true})
}
