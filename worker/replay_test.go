package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colorstream/generator/message"
)

// TestReplayOfLongAgo publishes a file of a year ago as fast as Redis takes it, over both
// transports: one pass gives all its windows, whatever their width.
func TestReplayOfLongAgo(t *testing.T) {
	t.Parallel()
	const n = 20_000
	random := rand.New(rand.NewPCG(10, 10))
	start := time.Now().Add(-365 * 24 * time.Hour).Truncate(time.Millisecond)
	var file []byte
	var messages []message.Message
	at := start
	for i := range n {
		at = at.Add(time.Duration(random.IntN(200)) * time.Millisecond)
		if i%(n/10) == n/10-1 {
			at = at.Add(time.Hour) // a gap
		}
		// Up to two seconds out of order.
		m := message.Message{
			Color: []string{"red", "blue", "rouge, foncé=1"}[random.IntN(3)], Name: "n",
			Value: float64(random.IntN(1000)) / 10,
			Time:  at.Add(-time.Duration(random.IntN(2000)) * time.Millisecond),
		}
		messages = append(messages, m)
		file = append(m.AppendJSON(file), '\n')
	}
	path := filepath.Join(t.TempDir(), "long-ago.jsonl")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{pubsub, stream} {
		for _, width := range []time.Duration{100 * time.Millisecond, 5 * time.Second, time.Hour} {
			t.Run(fmt.Sprint(transport, " ", width), func(t *testing.T) {
				t.Parallel()
				values := make(map[pointKey][]float64)
				for _, m := range messages {
					ns := m.Time.UnixNano()
					key := pointKey{ns - ns%int64(width), m.Color}
					values[key] = append(values[key], m.Value)
				}
				r := newRig(t, nil)
				r.set("REDIS_TRANSPORT=" + transport)
				w := r.worker("WORKER_WINDOW="+width.String(), "WORKER_LATENESS=3s", "WORKER_IDLE=1s")
				r.generate("GENERATOR_PACE=max", "replay", path)
				r.wantValues(r.naive(values))
				if m := w.metrics(); m["rejected_total"] != 0 {
					t.Errorf("%v rejected", m["rejected_total"])
				}
			})
		}
	}
}

// TestReplayKnowsItsEnd replays a file that the worker accepts, and one whose rows come when their
// window is final.
func TestReplayKnowsItsEnd(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{pubsub, stream} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.set("REDIS_TRANSPORT=" + transport)
			w := r.worker("WORKER_LATENESS=0s", "WORKER_IDLE=500ms")
			replay := func(status int, words, variable, file string) {
				t.Helper()
				p := r.start("generator", variable, "WORKER_ADDR="+w.addr, "replay", file)
				got := p.end()
				if out := spaces.ReplaceAllString(p.output(), " "); got != status ||
					!strings.Contains(out, words) {
					t.Errorf("status %d, want %d and %q:\n%s", got, status, words, out)
				}
			}
			replay(0, "accepted 24 by the worker\n not accepted 0\n",
				"GENERATOR_PACE=max", sourceFiles+"f3-two-sensors.csv")
			replay(3, "accepted 1 by the worker\n not accepted 4 late 4\n",
				"GENERATOR_INTERVAL=2s", sourceFiles+"slow.csv")
		})
	}
}
