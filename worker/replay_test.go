package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"colorstream/generator/message"
)

// TestReplayOfLongAgo publishes a file of a year ago as fast as Redis takes it, over both transports: one pass gives all
// its windows, whatever their width.
func TestReplayOfLongAgo(t *testing.T) {
	t.Parallel()
	const n = 100_000
	random := rand.New(rand.NewPCG(10, 10))
	start := time.Now().Add(-365 * 24 * time.Hour).Truncate(time.Millisecond)
	var file []byte
	var messages []message.Message
	at := start
	for i := range n {
		at = at.Add(time.Duration(random.IntN(200)) * time.Millisecond)
		if i%10_000 == 9_999 {
			at = at.Add(time.Hour) // a gap
		}
		// Up to two seconds out of order.
		m := message.Message{
			Color: []string{"red", "blue", "rouge, foncé=1"}[random.IntN(3)], Name: "n",
			Value: float64(random.IntN(1000)) / 10, Time: at.Add(-time.Duration(random.IntN(2000)) * time.Millisecond),
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
				r.env["REDIS_TRANSPORT"] = transport
				w := r.worker(map[string]string{
					"WORKER_WINDOW": width.String(), "WORKER_LATENESS": "3s", "WORKER_IDLE": "1s",
				})
				r.generate(map[string]string{"GENERATOR_PACE": "max"}, "replay", path)
				r.waitCount(n)
				if diff := same(naive(values), r.points(), false); diff != "" {
					t.Errorf("-naive +bucket\n%.2000s", diff)
				}
				if m := w.metrics(); m["rejected_total"] != 0 {
					t.Errorf("%v rejected", m["rejected_total"])
				}
			})
		}
	}
}
