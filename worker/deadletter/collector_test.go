package deadletter

import (
	"strings"
	"sync/atomic"
	"testing"
)

// counts is an Observer.
type counts struct{ written, dropped atomic.Int64 }

func (c *counts) LettersWritten(n int) { c.written.Add(int64(n)) }
func (c *counts) LettersDropped(n int) { c.dropped.Add(int64(n)) }

func TestCollectorIsBounded(t *testing.T) {
	var seen counts
	c := NewCollector(&seen)
	if data := c.Take(); data != nil {
		t.Errorf("an empty collector has %q", data)
	}
	add := func(n int, payload string, kept int) {
		t.Helper()
		before := seen.dropped.Load()
		for range n {
			c.Add(Letter{Reason: "json", Payload: payload, At: at})
		}
		data := c.Take()
		if got := len(decodeAll(t, data)); got != kept || seen.dropped.Load()-before != int64(n-kept) {
			t.Errorf("%d letters kept of %d, want %d", got, n, kept)
		}
		if len(data) > maxBytes+3*MaxPayload {
			t.Errorf("%d bytes", len(data))
		}
	}
	add(maxLetters+5, "{}", maxLetters)
	add(3, "{}", 3)
	line := len(Letter{Reason: "json", Payload: strings.Repeat("x", MaxPayload), At: at}.Append(nil))
	add(2000, strings.Repeat("x", MaxPayload), maxBytes/line+1)
	add(1000, strings.Repeat("\n", 2*MaxPayload), maxBytes/line+1)
}

func BenchmarkAdd(b *testing.B) {
	c := NewCollector(new(counts))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%1000 == 0 {
			c.Take()
		}
		c.Add(Letter{Reason: "color", Payload: `{"color":"","name":"n","value":1}`, At: at})
	}
}
