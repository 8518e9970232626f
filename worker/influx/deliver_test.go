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
	requests int
	stored   map[string]int
	maxBytes int
	quotes   bool // it quotes lines and counts what it dropped
	lies     bool // what it quotes and counts is wrong
}

func (f *fakeInflux) write(_ context.Context, body []byte) error {
	f.requests++
	if f.maxBytes > 0 && len(body) > f.maxBytes {
		return &WriteError{Class: TooLarge, Status: 413}
	}
	var bad, good, conflicts []string
	for line := range strings.SplitSeq(string(body), "\n") {
		switch {
		case strings.Contains(line, "bad"):
			bad = append(bad, line)
		case strings.Contains(line, "conflict"):
			conflicts = append(conflicts, line)
		default:
			good = append(good, line)
		}
	}
	if len(bad) > 0 {
		e := &WriteError{Class: Refused, Status: 400, Message: "who knows"}
		if f.quotes {
			e.Message = ""
			for _, line := range bad {
				e.Message += fmt.Sprintf("unable to parse '%s': invalid\n", line)
			}
		}
		if f.lies {
			e.Message = "unable to parse 'something else': invalid\nunable to parse 'x"
		}
		return e
	}
	for _, line := range good {
		f.stored[line]++
	}
	if len(conflicts) > 0 {
		e := &WriteError{Class: Refused, Status: 422, Message: "partial write"}
		if f.quotes {
			e.Message = fmt.Sprintf("failure writing points to database: partial write: field type conflict: x dropped=%d", len(conflicts))
		}
		return e
	}
	return nil
}

// deliver sends lines and returns what was refused.
func deliver(t testing.TB, f *fakeInflux, lines []string) []string {
	t.Helper()
	f.stored = map[string]int{}
	var refused []string
	written := 0
	d := delivery{
		write: f.write, maxBytes: MaxBytes,
		written: func(n int) { written += n },
		trouble: func(_ context.Context, err *WriteError) error { return err },
		refused: func(line []byte, reason string) {
			if reason == "" || len(reason) > 400 {
				t.Errorf("the reason is %q", reason)
			}
			refused = append(refused, string(line))
		},
	}
	if err := d.send(t.Context(), []byte(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	if written+len(refused) != len(lines) {
		t.Errorf("%d written and %d refused of %d", written, len(refused), len(lines))
	}
	return refused
}

func TestOnlyBadLinesAreRefused(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 4))
		f := &fakeInflux{quotes: rng.IntN(2) == 0, lies: rng.IntN(4) == 0}
		if rng.IntN(3) == 0 {
			f.maxBytes = 20 + rng.IntN(500)
		}
		var lines, bad, good []string
		share := rng.Float64() * rng.Float64()
		for i := range 1 + rng.IntN(300) {
			line := fmt.Sprintf("m,color=%d f=%d", i, i)
			if rng.Float64() < share {
				line = fmt.Sprintf("m,color=%d f=%s': %d", i, []string{"bad", "conflict"}[rng.IntN(2)], i)
				bad = append(bad, line)
			} else {
				good = append(good, line)
			}
			lines = append(lines, line)
		}
		refused := deliver(t, f, lines)
		slices.Sort(refused)
		slices.Sort(bad)
		if diff := cmp.Diff(bad, refused, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d (-want +got):\n%s", seed, diff)
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
		lines = append(lines, fmt.Sprintf("color_metrics,color=%d mean=1,count=%di 1760000000000000000", i, i))
	}
	return lines
}

// What a bad line costs.
func TestRequestsNeeded(t *testing.T) {
	t.Parallel()
	lines := manyLines(20_000)
	check := func(name string, f *fakeInflux, lines []string, refused, most int) {
		t.Helper()
		if got := len(deliver(t, f, lines)); got != refused || f.requests > most {
			t.Errorf("%s: %d refused, %d requests; want %d, at most %d", name, got, f.requests, refused, most)
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
	// A proxy that takes 100 kB: found once, not for every request anew.
	check("small requests", &fakeInflux{maxBytes: 100_000}, lines, 0, 30)
	check("a line that is too large", &fakeInflux{maxBytes: 100_000}, append(lines[:5:5], strings.Repeat("x", 100_001)), 1, 10)
}

func TestTroubleStopsADelivery(t *testing.T) {
	t.Parallel()
	calls := 0
	d := delivery{
		write:    func(context.Context, []byte) error { calls++; return &WriteError{Class: Server, Status: 500} },
		trouble:  func(_ context.Context, err *WriteError) error { return err },
		maxBytes: MaxBytes,
	}
	if err := d.send(t.Context(), []byte("a\nb")); err == nil || calls != 1 {
		t.Errorf("%v after %d calls", err, calls)
	}
	if err := d.send(t.Context(), []byte("\n# comment\n\r\n")); err != nil || calls != 1 {
		t.Errorf("nothing to send: %v after %d calls", err, calls-1)
	}
}

// Whatever the answer says, every line is written or refused, and the delivery ends.
func FuzzRefusal(f *testing.F) {
	f.Add("unable to parse 'a b=1': x", "a b=1\nc d=2", uint8(1))
	f.Add("partial write: x dropped=2", "a b=1\nc d=2", uint8(2))
	f.Add("unable to parse 'a': '\nunable to parse 'b': ", "a\nb\na", uint8(9))
	f.Fuzz(func(t *testing.T, message, text string, tooMany uint8) {
		lines := 0
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimRight(line, "\r"); line != "" && line[0] != '#' {
				lines++
			}
		}
		done := 0
		d := delivery{
			write: func(_ context.Context, body []byte) error {
				if bytes.Count(body, []byte("\n"))+1 > int(tooMany) {
					return &WriteError{Class: Refused, Message: message}
				}
				return nil
			},
			written:  func(n int) { done += n },
			refused:  func([]byte, string) { done++ },
			maxBytes: MaxBytes,
		}
		if err := d.send(t.Context(), []byte(text)); err != nil || done != lines {
			t.Fatalf("%d of %d lines: %v", done, lines, err)
		}
	})
}
