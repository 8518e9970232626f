package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"colorstream/generator/message"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/deadletter"
)

// TestPayloads sends every payload of the wire format's cases through a real Redis: what is
// accepted is in a point, what is not is in colors:rejected, with its reason.
func TestPayloads(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	w := r.worker("WORKER_WINDOW=1s", "WORKER_IDLE=1s")
	f, err := os.Open("../generator/message/testdata/messages.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
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
		r.publish(c.Payload)
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
	r.eventually("all rejected messages are dead letters",
		func() bool { return len(r.letters()) >= len(rejected) })
	for i, e := range r.letters() {
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
	r.worker("WORKER_IDLE=1s", "WORKER_LATENESS=6s")
	payloads, err := os.ReadFile("testdata/windows-1.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(payloads)), "\n")
	r.publish(lines...)
	lp, err := os.ReadFile("testdata/windows-1.lp")
	if err != nil {
		t.Fatal(err)
	}
	expected := rig{t: t, db: influxtest.Shared(t).NewBucket(t), statistics: r.statistics}
	expected.db.Write(t, strings.ReplaceAll(string(lp), "i 1", "i,complete=true 1"))
	r.wantValues(expected.points())
}
