package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/worker/deadletter"
)

// TestPayloads sends every payload of the wire format's cases through a real Redis: what is
// accepted is in a point, what is not is in colors:rejected, with its reason.
func TestPayloads(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.worker(map[string]string{"WORKER_WINDOW": "1s", "WORKER_IDLE": "1s"})
	f, err := os.Open("../generator/message/testdata/messages.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	client := r.redis.Client()
	var accepted int64
	var rejected []deadletter.Letter
	for s := bufio.NewScanner(f); s.Scan(); {
		var c struct {
			Payload string
			Base64  []byte `json:"payload_base64"`
		}
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Base64 != nil {
			c.Payload = string(c.Base64)
		}
		publish(t, client, c.Payload)
		for rest := c.Payload; ; { // package message's own tests say what is right
			_, n, err := message.Next(rest)
			if err == nil {
				accepted++
			} else {
				rejected = append(rejected, deadletter.Letter{
					Reason:  string(err.(*message.Error).Reason),
					Payload: rest[:n],
				})
			}
			if rest = rest[n:]; rest == "" {
				break
			}
		}
	}
	r.waitCount(accepted)
	var entries []redis.XMessage
	r.eventually("all rejected messages are dead letters", 10*time.Second, func() bool {
		entries = client.XRange(t.Context(), "colors:rejected", "-", "+").Val()
		return len(entries) >= len(rejected)
	})
	for i, e := range entries {
		if e.Values["payload"] != rejected[i].Payload || e.Values["reason"] != rejected[i].Reason {
			t.Errorf("dead letter %v; want %+v", e.Values, rejected[i])
		}
		if at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(e.Values["at"])); err != nil ||
			time.Since(at) > time.Minute {
			t.Errorf("at %v: %v", e.Values["at"], err)
		}
	}
	m := w.metrics()
	if m["received_total"] != float64(accepted)+float64(len(rejected)) ||
		m["rejected_total"] != float64(len(rejected)) {
		t.Errorf("received %v, rejected %v", m["received_total"], m["rejected_total"])
	}
}

// TestWindows sends messages with event times of long ago: the points are the expected ones.
func TestWindows(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.worker(map[string]string{"WORKER_IDLE": "1s", "WORKER_LATENESS": "6s"})
	payloads, err := os.ReadFile("testdata/windows-1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(payloads)), "\n")
	publish(t, r.redis.Client(), lines...)
	lp, err := os.ReadFile("testdata/windows-1.lp")
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[pointKey]point)
	var n int64
	for line := range strings.Lines(string(lp)) {
		key, p := parseLine(t, strings.TrimSpace(line))
		want[key] = p
		n += p.Count
	}
	// 6 s of lateness and 1 s of silence pass before the last window is known to be whole.
	r.eventually("all windows are written", 60*time.Second,
		func() bool { return count(r.points()) == n })
	if diff := same(want, r.points(), false); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// parseLine reads line protocol as the expected points have it.
func parseLine(t *testing.T, line string) (pointKey, point) {
	t.Helper()
	line = strings.NewReplacer(`\ `, "\x00", `\,`, "\x01", `\=`, "\x02").Replace(line)
	back := strings.NewReplacer("\x00", " ", "\x01", ",", "\x02", "=")
	parts := strings.Split(line, " ")
	start, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	_, color, _ := strings.Cut(parts[0], "color=")
	var p point
	for field := range strings.SplitSeq(parts[1], ",") {
		name, text, _ := strings.Cut(field, "=")
		value, err := strconv.ParseFloat(strings.TrimSuffix(text, "i"), 64)
		if err != nil {
			t.Fatal(err)
		}
		switch name {
		case "mean":
			p.Mean = value
		case "median":
			p.Median = value
		case "min":
			p.Min = value
		case "max":
			p.Max = value
		case "sum":
			p.Sum = value
		case "count":
			p.Count = int64(value)
		}
	}
	return pointKey{start, back.Replace(color)}, p
}

// TestLedger accounts for every message of the real generator, over both transports: random ones,
// and a file.
func TestLedger(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{pubsub, stream} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = transport, "1s"
			w := r.worker(nil)
			r.generate(map[string]string{
				"GENERATOR_COUNT": "50000", "GENERATOR_RATE": "25000",
				"GENERATOR_SEED": "1",
			})
			r.waitCount(50_000)
			r.generate(map[string]string{
				"GENERATOR_INPUT_VALUE": "price", "GENERATOR_PACE": "max",
			}, "replay", "../generator/testdata/diamonds-1000.csv")
			r.waitCount(51_000)
			m := w.metrics()
			if m["received_total"] != 51_000 || m["accepted_total"] != 51_000 || m["rejected_total"] != 0 {
				t.Errorf("received %v, counted %v, rejected %v", m["received_total"], m["accepted_total"],
					m["rejected_total"])
			}
			colors := make(map[string]int64)
			for key, p := range r.points() {
				colors[key.Color] += p.Count
			}
			for _, c := range []string{"red", "blue", "green", "yellow", "D", "E", "F", "G", "H", "I", "J"} {
				if colors[c] == 0 {
					t.Errorf("no messages of color %s", c)
				}
			}
			w.stop()
		})
	}
}
