package influx

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// fakeInflux judges lines: those with "bad" do not parse, those with "conflict" are dropped.
type fakeInflux struct {
	oldest   int64 // what is older is dropped
	requests int
	stored   map[string]int
	maxBytes int
	quotes   bool // it quotes lines and counts what it dropped
	lies     bool // what it quotes and counts is wrong
}

func (f *fakeInflux) write(_ context.Context, body []byte) (*WriteError, error) {
	f.requests++
	if f.maxBytes > 0 && len(body) > f.maxBytes {
		return &WriteError{Class: TooLarge, Status: 413}, nil
	}
	var bad, good, conflicts, old []string
	for line := range strings.SplitSeq(string(body), "\n") {
		switch {
		case strings.Contains(line, "bad"):
			bad = append(bad, line)
		case strings.Contains(line, "conflict"):
			conflicts = append(conflicts, line)
		case timestamp([]byte(line)) < f.oldest:
			old = append(old, line)
		default:
			good = append(good, line)
		}
	}
	if len(bad) > 0 {
		e := &WriteError{Class: Rejected, Status: 400, Message: "who knows"}
		if f.quotes {
			e.Message = ""
			for _, line := range bad {
				e.Message += fmt.Sprintf("unable to parse '%s': invalid\n", line)
			}
		}
		if f.lies {
			e.Message = "unable to parse 'something else': invalid\nunable to parse 'x"
		}
		return e, nil
	}
	for _, line := range good {
		f.stored[line]++
	}
	if len(conflicts) > 0 {
		e := &WriteError{Class: Rejected, Status: 422, Message: "partial write"}
		if f.quotes {
			e.Message = "failure writing points to database: partial write: field type conflict: x"
			e.Dropped = len(conflicts)
		}
		return e, nil
	}
	if len(old) > 0 {
		e := &WriteError{Class: TooOld, Status: 422, Message: tooOld28, Dropped: len(old)}
		if f.lies {
			e.Dropped = len(body)
		}
		return e, nil
	}
	return nil, nil
}

// deliver sends lines and returns what was rejected.
func deliver(t testing.TB, f *fakeInflux, lines []string) (rejected, old []string) {
	t.Helper()
	f.stored = map[string]int{}
	written := 0
	d := delivery{
		write: f.write, maxBytes: MaxBytes,
		written: func(n int) { written += n },
		rejected: func(lines [][]byte, class Class, reason string) {
			if reason == "" || len(reason) > 400 || len(lines) == 0 {
				t.Errorf("the reason of %d lines is %q", len(lines), reason)
			}
			for _, line := range lines {
				if class == TooOld {
					old = append(old, string(line))
				} else {
					rejected = append(rejected, string(line))
				}
			}
		},
	}
	half := len(lines) / 2
	first, second := strings.Join(lines[:half], "\n"), strings.Join(lines[half:], "\r\n")
	if err := d.send(t.Context(), []byte(first), []byte(second)); err != nil {
		t.Fatal(err)
	}
	if written+len(rejected)+len(old) != len(lines) {
		t.Errorf("%d written, %d rejected, %d too old of %d",
			written, len(rejected), len(old), len(lines))
	}
	return rejected, old
}

func TestOnlyBadLinesAreRejected(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		f := &fakeInflux{quotes: rng.IntN(2) == 0, lies: rng.IntN(4) == 0}
		if rng.IntN(3) == 0 {
			f.maxBytes = 20 + rng.IntN(500)
		}
		var lines, bad, good, tooOld []string
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
				tooOld = append(tooOld, line)
			} else {
				good = append(good, line)
			}
			lines = append(lines, line)
		}
		rejected, old := deliver(t, f, lines)
		for _, list := range [][]string{rejected, bad, old, tooOld} {
			slices.Sort(list)
		}
		if diff := cmp.Diff(bad, rejected, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, rejected (-want +got):\n%s", seed, diff)
		}
		if diff := cmp.Diff(tooOld, old, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d, too old (-want +got):\n%s", seed, diff)
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
		if got := len(bad) + len(old); got != rejected || f.requests > most {
			t.Errorf("%s: %d rejected, %d requests; want %d, at most %d",
				name, got, f.requests, rejected, most)
		}
	}
	check("all good", &fakeInflux{}, lines, 0, 4)
	one := slices.Clone(lines)
	one[7000] += "bad"
	check("one bad", &fakeInflux{}, one, 1, 4+2*13)
	check("one bad, quoted", &fakeInflux{quotes: true}, one, 1, 5)
	all := slices.Clone(lines)
	for i := range all {
		all[i] += "conflict"
	}
	check("all in conflict", &fakeInflux{quotes: true}, all, 20_000, 4)
	check("all too old", &fakeInflux{oldest: 1 << 60}, lines, 20_000, 4)
	check("half too old", &fakeInflux{oldest: 10_000}, lines, 10_000, 4)
	check("some too old", &fakeInflux{oldest: 1234}, lines, 1234, 4)
	one[3] += "conflict"
	check("some of each", &fakeInflux{oldest: 1234, quotes: true}, one, 1235, 32)
	// A proxy that takes 100 kB: found once, not for every request anew.
	check("small requests", &fakeInflux{maxBytes: 100_000}, lines, 0, 30)
	large := append(lines[:5:5], strings.Repeat("x", 100_001))
	check("a line that is too large", &fakeInflux{maxBytes: 100_000}, large, 1, 10)
}

func TestErrorEndsDelivery(t *testing.T) {
	t.Parallel()
	calls := 0
	d := delivery{
		write: func(context.Context, []byte) (*WriteError, error) {
			calls++
			return nil, errStopping
		},
		maxBytes: MaxBytes,
	}
	if err := d.send(t.Context(), []byte("a\nb")); err != errStopping || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := d.send(t.Context(), []byte("\n# comment\n\r\n")); err != nil || calls != 1 {
		t.Errorf("nothing to send: %v after %d calls", err, calls-1)
	}
}

// Whatever the answer says, every line is written or rejected, and the delivery ends.
func FuzzRejection(f *testing.F) {
	f.Add("unable to parse 'a b=1': x", "a b=1\nc d=2", uint8(1), false)
	f.Add("partial write: x dropped=2", "a b=1 7\nc d=2 8", uint8(2), true)
	f.Add("unable to parse 'a': '\nunable to parse 'b': ", "a\nb\na", uint8(9), false)
	f.Fuzz(func(t *testing.T, message, text string, tooMany uint8, tooOld bool) {
		class := Rejected
		if tooOld && dropped(message) > 0 {
			class = TooOld
		}
		lines := 0
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimRight(line, "\r"); line != "" && line[0] != '#' {
				lines++
			}
		}
		done := 0
		d := delivery{
			write: func(_ context.Context, body []byte) (*WriteError, error) {
				if bytes.Count(body, []byte("\n"))+1 > int(tooMany) {
					return &WriteError{Class: class, Message: message, Dropped: dropped(message)}, nil
				}
				return nil, nil
			},
			written:  func(n int) { done += n },
			rejected: func(lines [][]byte, _ Class, _ string) { done += len(lines) },
			maxBytes: MaxBytes,
		}
		if err := d.send(t.Context(), []byte(text)); err != nil || done != lines {
			t.Fatalf("%d of %d lines: %v", done, lines, err)
		}
	})
}
