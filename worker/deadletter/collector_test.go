package deadletter

import (
	"strings"
	"testing"
)

// counts are what was written and dropped.
type counts struct{ written, dropped int }

func (c *counts) write(n int) { c.written += n }
func (c *counts) drop(n int)  { c.dropped += n }

func TestCollectorIsBounded(t *testing.T) {
	var seen counts
	c := NewCollector(seen.drop)
	if data := c.Take(); data != nil {
		t.Errorf("an empty collector has %q", data)
	}
	add := func(n int, payload string, kept int) {
		t.Helper()
		before := seen.dropped
		for range n {
			c.Add(Letter{Reason: "json", Payload: payload, At: at})
		}
		data := c.Take()
		if got := len(decodeAll(t, data)); got != kept || seen.dropped-before != n-kept {
			t.Errorf("%d letters kept of %d, want %d", got, n, kept)
		}
		if len(data) > maxBytes+3*MaxPayload {
			t.Errorf("%d bytes", len(data))
		}
	}
	add(3, "{}", 3)
	line := len(Letter{Reason: "json", Payload: strings.Repeat("x", MaxPayload), At: at}.Append(nil))
	add(2000, strings.Repeat("x", MaxPayload), maxBytes/line+1)
	add(1000, strings.Repeat("\n", 2*MaxPayload), maxBytes/line+1)
}
