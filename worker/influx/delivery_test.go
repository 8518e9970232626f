package influx

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// tally is an Observer.
type tally struct {
	written            int
	rejected, answered map[Class]int
}

func newTally() *tally { return &tally{rejected: map[Class]int{}, answered: map[Class]int{}} }

func (o *tally) Written(n int)                         { o.written += n }
func (o *tally) Rejected(n int, class Class)           { o.rejected[class] += n }
func (o *tally) Answered(_ time.Duration, class Class) { o.answered[class]++ }

// once tries an act once.
func once(act func() error) error { return act() }

// fakeInflux judges lines: those with "bad" do not parse, those with "conflict" are dropped.
type fakeInflux struct {
	oldest   int64 // what is older is dropped
	requests int
	stored   map[string]int
	maxBytes int
	counts   bool // it counts what it dropped
	lies     bool // what it counts is wrong
}

func (f *fakeInflux) write(_ context.Context, body []byte) error {
	f.requests++
	if f.maxBytes > 0 && len(body) > f.maxBytes {
		return &WriteError{Class: TooLarge, Status: 413}
	}
	var bad, good, conflicts, old []string
	for line := range strings.SplitSeq(string(body), "\n") {
		switch {
		case strings.Contains(line, "bad"):
			bad = append(bad, line)
		case strings.Contains(line, "conflict"):
			conflicts = append(conflicts, line)
		case timestamp(line) < f.oldest:
			old = append(old, line)
		default:
			good = append(good, line)
		}
	}
	if len(bad) > 0 {
		return &WriteError{Class: Rejected, Status: 400, Message: "unable to parse '" + bad[0] +
			"': who knows"}
	}
	for _, line := range good {
		f.stored[line]++
	}
	if len(conflicts) > 0 {
		e := &WriteError{Class: Rejected, Status: 422, Message: "partial write"}
		if f.counts {
			e.Dropped = len(conflicts)
		}
		return e
	}
	if len(old) > 0 {
		e := &WriteError{Class: TooOld, Status: 422, Message: tooOld28, Dropped: len(old)}
		if f.lies {
			e.Dropped = len(body)
		}
		return e
	}
	return nil
}

// timestamp reads a line's time.
func timestamp(line string) int64 {
	ns, _ := strconv.ParseInt(line[strings.LastIndexByte(line, ' ')+1:], 10, 64)
	return ns
}

// deliver sends lines and returns those that were rejected, and how many were too old.
func deliver(t testing.TB, f *fakeInflux, lines []string) (rejected []string, old int) {
	t.Helper()
	f.stored = map[string]int{}
	seen := newTally()
	w := NewWriter(slog.New(slog.DiscardHandler), f.write, seen)
	half := len(lines) / 2
	first, second := strings.Join(lines[:half], "\n"), strings.Join(lines[half:], "\r\n")
	list, err := w.Write(t.Context(), once, []byte(first), []byte(second))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Reason == "" || len(r.Reason) > 400 || strings.Contains(r.Reason, string(r.Line)) {
			t.Errorf("the reason of %q is %q", r.Line, r.Reason)
		}
		rejected = append(rejected, string(r.Line))
	}
	old = seen.rejected[TooOld]
	if seen.written+len(rejected)+old != len(lines) {
		t.Errorf("%d written, %d rejected, %d too old of %d", seen.written, len(rejected), old,
			len(lines))
	}
	return rejected, old
}

func TestOnlyBadLinesAreRejected(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		f := &fakeInflux{counts: rng.IntN(2) == 0, lies: rng.IntN(4) == 0}
		if rng.IntN(3) == 0 {
			f.maxBytes = 20 + rng.IntN(500)
		}
		var lines, bad, good []string
		tooOld := 0
		f.oldest = int64(rng.IntN(2) * 500)
		share := rng.Float64() * rng.Float64()
		for i := range 1 + rng.IntN(300) {
			at := 500 + rng.Int64N(100)
			if rng.Float64() < share {
				at -= 500
			}
			line := fmt.Sprintf("m,color=%d f=%d %d", i, i, at)
			if rng.Float64() < share {
				line = fmt.Sprintf("m,color=%d f=%s': %d", i, []string{"bad", "conflict"}[rng.IntN(2)], i)
				bad = append(bad, line)
			} else if at < f.oldest {
				tooOld++
			} else {
				good = append(good, line)
			}
			lines = append(lines, line)
		}
		rejected, old := deliver(t, f, lines)
		if diff := cmp.Diff(bad, rejected, cmpopts.EquateEmpty()); diff != "" || old != tooOld {
			t.Fatalf("seed %d, %d too old, want %d, rejected (-want +got):\n%s", seed, old, tooOld, diff)
		}
		for _, line := range good {
			if f.stored[line] == 0 {
				t.Fatalf("seed %d: %q was not written", seed, line)
			}
		}
	}
}

func manyLines(n int) []string {
	var lines []string
	for i := range n {
		lines = append(lines, fmt.Sprintf("color_metrics,color=%d mean=1,count=%di %d", i, i, i))
	}
	return lines
}

// What a bad line costs.
func TestRequestsNeeded(t *testing.T) {
	t.Parallel()
	lines := manyLines(20_000)
	check := func(name string, f *fakeInflux, lines []string, rejected, most int) {
		t.Helper()
		bad, old := deliver(t, f, lines)
		if got := len(bad) + old; got != rejected || f.requests > most {
			t.Errorf("%s: %d rejected, %d requests; want %d, at most %d",
				name, got, f.requests, rejected, most)
		}
	}
	check("all good", &fakeInflux{}, lines, 0, 4)
	one := slices.Clone(lines)
	one[7000] += "bad"
	check("one bad", &fakeInflux{}, one, 1, 4+2*13)
	all := slices.Clone(lines)
	for i := range all {
		all[i] += "conflict"
	}
	check("all in conflict", &fakeInflux{counts: true}, all, 20_000, 4)
	check("all too old", &fakeInflux{oldest: 1 << 60}, lines, 20_000, 4)
	check("half too old", &fakeInflux{oldest: 10_000}, lines, 10_000, 4)
	check("some too old", &fakeInflux{oldest: 1234}, lines, 1234, 4)
	// A proxy that takes 100 kB.
	check("small requests", &fakeInflux{maxBytes: 100_000}, lines, 0, 30)
	large := append(lines[:5:5], strings.Repeat("x", 100_001))
	check("a line that is too large", &fakeInflux{maxBytes: 100_000}, large, 1, 10)
}

// A request that fails is repeated by itself, and what it says for good is logged once a minute.
func TestTry(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	requests, seen := 0, newTally()
	w := NewWriter(slog.New(slog.NewTextHandler(&log, nil)),
		func(_ context.Context, body []byte) error {
			requests++
			switch {
			case requests == 2:
				return &WriteError{Class: Throttled}
			case bytes.Contains(body, []byte("x")):
				return &WriteError{Class: Rejected, Status: 400, Message: "it has an x"}
			case bytes.Contains(body, []byte("old")):
				return &WriteError{Class: TooOld, Status: 422, Message: tooOld20, Dropped: 1}
			}
			return nil
		}, seen)
	twice := func(act func() error) error {
		if act() == nil {
			return nil
		}
		return act()
	}
	lines := bytes.Repeat([]byte("a f=1\n"), 3*MaxLines)
	if _, err := w.Write(t.Context(), twice, lines); err != nil || requests != 4 {
		t.Errorf("%d requests, %v", requests, err)
	}
	var rejected []RejectedLine
	for range 5 {
		list, err := w.Write(t.Context(), once, []byte("b f=x\na f=1"), []byte("old f=1 5\n"))
		if err != nil {
			t.Fatal(err)
		}
		rejected = append(rejected, list...)
	}
	want := slices.Repeat([]RejectedLine{{[]byte("b f=x"), "it has an x"}}, 5)
	if diff := cmp.Diff(want, rejected); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	wantSeen := &tally{
		written: 3*MaxLines + 5, rejected: map[Class]int{Rejected: 5, TooOld: 5},
		answered: map[Class]int{"": 3, Throttled: 1, Rejected: 10, TooOld: 5},
	}
	if diff := cmp.Diff(wantSeen, seen, cmp.AllowUnexported(tally{})); diff != "" {
		t.Errorf("counted (-want +got):\n%s", diff)
	}
	for _, text := range []string{"points are older", "InfluxDB rejects points"} {
		if n := strings.Count(log.String(), text); n != 1 {
			t.Errorf("%q is said %d times\n%s", text, n, &log)
		}
	}
	requests = 1
	if _, err := w.Write(t.Context(), once, []byte("a\nb")); err == nil || requests != 2 {
		t.Errorf("a failure that is not tried again: %v", err)
	}
	if _, err := w.Write(t.Context(), once, []byte("\n# comment\n\r\n")); err != nil || requests != 2 {
		t.Errorf("nothing to send: %v after %d requests", err, requests-2)
	}
}
