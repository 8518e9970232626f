package window

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const second = int64(time.Second)

// always is after every instant.
const always = 1<<63 - 1

// randomValue draws from all that a double can be: whole numbers with many duplicates, fractions,
// huge, tiny.
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

// A pane in short: its start in seconds, its count, and its flags: i incomplete, a again, f final.
type short struct {
	start, count int64
	flags        string
}

func wantPanes(t *testing.T, panes []*Pane, want ...short) {
	t.Helper()
	var got []short
	for _, p := range panes {
		s := short{start: p.Start / second}
		for _, stats := range p.Stats() {
			s.count += stats.Count
		}
		for i, set := range []bool{p.Incomplete, p.Again, p.Final} {
			if set {
				s.flags += "iaf"[i : i+1]
			}
		}
		got = append(got, s)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(short{})); diff != "" {
		t.Errorf("panes: -want +got\n%s", diff)
	}
}

func wantVerdict(t *testing.T, got, want Verdict) {
	t.Helper()
	if got != want {
		t.Errorf("verdict %v, want %v", got, want)
	}
}

// A tester is a set with the calls of a test.
type tester struct {
	*Set
	t *testing.T
}

func newTester(t *testing.T, cfg Config) tester { return tester{NewSet(cfg), t} }

// at advances to a second and wants panes.
func (s tester) at(at int64, want ...short) {
	s.t.Helper()
	wantPanes(s.t, s.Advance(at*second), want...)
}

func (s tester) add(want Verdict) { s.t.Helper(); wantVerdict(s.t, s.Add("red", 1), want) }

func (s tester) event(at int64, want Verdict) {
	s.t.Helper()
	wantVerdict(s.t, s.AddEvent("red", 1, at*second), want)
}

func TestWindowsAreHalfOpen(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second})
	s.at(-1)
	s.add(Added)
	s.at(0, short{-5, 1, "f"})
	s.add(Added)
	wantPanes(t, s.Advance(5*second-1))
	s.add(Added)
	s.at(5, short{0, 2, "f"})
	s.add(Added)
	s.at(5)
	s.event(4, Late)
	s.event(-1, Late)
	s.at(20, short{5, 1, "f"})
	s.event(10, Added) // nothing was in that window, so nothing is doubled
}

func TestLateBorder(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second, Lateness: 5 * time.Second})
	s.at(30)
	wantVerdict(t, s.AddEvent("red", 1, 15*second-1), Added)
	s.event(9, Added) // its window was not there, and stays open until 15
	s.event(25, Added)
	s.event(19, Late)
}

// TestLateDataCorrects writes a window when it ends, again with what comes within the lateness, and
// then never again.
func TestLateDataCorrects(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second, Lateness: 10 * time.Second})
	s.at(2)
	s.add(Added)
	s.at(5, short{0, 1, ""})
	s.at(6)
	s.event(4, Added)
	wantPanes(t, s.Advance(7*second-1)) // at most one correction a second
	s.event(3, Added)
	s.at(7, short{0, 3, "a"})
	s.at(8)
	s.event(2, Added)
	s.event(14, Added) // ahead of source time: it does not make the others late
	s.event(1, Added)
	s.at(9, short{0, 5, "a"})
	s.at(14)
	s.event(0, Added)
	s.at(15, short{0, 6, "a"}) // event time has come to 14 only
	s.event(16, Added)
	s.at(16, short{10, 1, ""})
	s.event(0, Late)
	s.at(26, short{15, 1, ""})
	s.event(0, Late)
	s.at(60)
	s.event(0, Late)
}

// TestLiveWindowsAreNotHeldUp: event times of long ago close no live window, and do not keep it
// open for more than a minute.
func TestLiveWindowsAreNotHeldUp(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second})
	s.at(10_000)
	s.add(Added)
	s.event(0, Added)
	for at := int64(10_001); at < 10_065; at++ {
		panes := s.Advance(at * second)
		if at == 10_005 {
			wantPanes(t, panes, short{10_000, 1, ""})
		}
		s.event(0, Added)
	}
	if n := len(s.Open()); n != 2 {
		t.Errorf("%d windows are open", n)
	}
	s.at(10_065) // event time stands still at 0
	if n := len(s.Open()); n != 1 {
		t.Errorf("%d windows are open", n)
	}
}

func TestEventTime(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second, Lateness: 2 * time.Second})
	const now, old = 1_760_000_000, 1_730_000_000
	s.at(now)
	s.event(old, Added)
	s.event(old+6, Added) // the first window has ended, and stays open until old+7
	s.at(now, short{old, 1, ""})
	s.event(old+4, Added)
	s.event(old+7, Added)
	s.event(old+4, Added) // nothing closes between two calls of Advance
	s.at(now, short{old, 3, "af"})
	s.event(old+4, Late)
	s.event(old-5, Late) // that window never was, but the watermark is past it
	s.event(now+60, Added)
	s.event(now+61, Future)
	s.at(now, short{old + 5, 2, "f"})
	// That message does not take the watermark beyond source time.
	s.event(now-1, Added)
	s.event(now-7, Late)
	s.at(now+1, short{now - 5, 1, ""})
	s.add(Added)
	s.at(now+5, short{now, 1, ""})

	// Silence makes windows final; then the past can be told anew, but for what is final.
	s.at(now+100, short{now + 60, 1, "f"})
	s.event(old-5, Added)
	s.event(old+4, Late)
	wantPanes(t, s.Advance((now+105)*second-1))
	s.at(now+105, short{old - 5, 1, ""})
	s.at(now + 106)
	s.event(old-5, Added)
	s.at(now+113, short{old - 5, 2, "af"})
}

func TestIncomplete(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second})
	s.Gap(never, 2*second) // the worker starts inside the first window
	s.at(2)
	s.add(Added)
	s.at(5, short{0, 1, "if"})
	s.add(Added)
	s.at(10, short{5, 1, "f"})
	s.at(12)
	s.add(Added)
	s.Gap(12*second, 13*second)
	s.at(13)
	s.Gap(13*second, 16*second)
	s.at(16, short{10, 1, "if"})
	s.add(Added)
	s.at(20, short{15, 1, "if"})
	s.add(Added)
	s.at(25, short{20, 1, "f"})
	s.add(Added)
	s.Gap(25*second, 25*second) // cut off and back in the same instant
	s.at(30, short{25, 1, "if"})
	s.add(Added)
	s.Gap(32*second, 35*second) // up to a border
	s.at(35, short{30, 1, "if"})
	s.add(Added)
	s.Gap(32*second, 35*second) // that is told late
	s.at(40, short{35, 1, "f"})
}

// TestGapAfterwards: what was written as complete is written again when it turns out not to be.
func TestGapAfterwards(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second, Lateness: 5 * time.Second})
	s.at(0)
	s.add(Added)
	s.at(5, short{0, 1, ""})
	s.Gap(3*second, 4*second)
	s.at(6, short{0, 1, "ia"})
	s.at(10)
	if len(s.Open()) != 0 {
		t.Error("the window is still open")
	}
}

func TestExtremeTimes(t *testing.T) {
	s := NewSet(Config{Width: 7 * time.Second, Lateness: 7 * time.Second})
	s.Advance(0)
	wantVerdict(t, s.AddEvent("red", 1, -1<<63+1), Added)
	panes := s.Advance(1<<63 - 2)
	wantVerdict(t, s.Add("red", 1), Added)
	panes = append(panes, s.Advance(always)...)
	if n := len(panes); n != 2 {
		t.Errorf("%d windows written, want 2", n)
	}
}
