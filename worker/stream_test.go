package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// TestStreamSlow: an entry every few windows, among the worker's own ticks, is enough for every
// window, and no commit is rejected.
func TestStreamSlow(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stream(1)
	w := r.worker("WORKER_WINDOW=500ms", "WORKER_LATENESS=200ms")
	const entries = 12
	for range entries {
		r.add("color", "red", "value", "1")
		time.Sleep(time.Duration(100+rand.IntN(900)) * time.Millisecond)
	}
	r.waitCount(entries)
	if n := strings.Count(w.output(), "partition acquired"); n != 1 {
		t.Errorf("the partition was acquired %d times, want once", n)
	}
	for key, p := range r.points() {
		if !p.Complete || p.Statistics["sum"] != float64(p.Count) {
			t.Errorf("%v: %+v", key, p)
		}
	}
}

// TestStreamTrimmedByOthers: entries that a sender trimmed before they were read are lost, counted,
// and their windows say so.
func TestStreamTrimmedByOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stream(1)
	r.set("WORKER_WINDOW=1s")
	add := func(n int) {
		t.Helper()
		for range n {
			r.add("color", "red", "value", "1")
		}
	}
	w := r.worker()
	add(10)
	r.waitCount(10)
	w.stop()
	add(30)
	if err := r.client.XTrimMaxLen(t.Context(), "colors", 5).Err(); err != nil {
		t.Fatal(err)
	}
	w = r.worker()
	r.waitCount(15)
	if lost := w.metrics()["lost_total"]; lost < 25 { // ticks are entries, too
		t.Errorf("%v entries are lost, want 25 or more", lost)
	}
	if !strings.Contains(w.output(), "deleted from the stream before they were read") {
		t.Error("the log does not say that entries were deleted")
	}
	incomplete := false
	for _, p := range r.points() {
		incomplete = incomplete || !p.Complete
	}
	if !incomplete {
		t.Error("no point is incomplete")
	}
}

// TestStreamFields sends what users of streams write first, and looks at the dead letter of what is
// no message.
func TestStreamFields(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stream(1)
	r.worker("WORKER_IDLE=1s", "WORKER_LATENESS=1s")
	const ts = "1738573200000" // 2025-02-03T09:00:00Z
	for _, values := range [][]any{
		{"color", "red", "value", "42", "ts", ts},
		{"color", "red", "value", "48", "name", "n", "ts", ts},
		{"m", `{"color":"rose","value":43,"ts":` + ts + "}"},
		{"data", `{"color":"rust","value":45,"ts":` + ts + "}"},
		{"foo", "bar"},
	} {
		r.add(values...)
	}
	at := int64(1738573200) * 1e9
	r.want(r.naive(map[pointKey][]float64{
		{at, "red"}: {42, 48}, {at, "rose"}: {43}, {at, "rust"}: {45},
	}))
	r.eventually("a dead letter", func() bool { return len(r.letters()) == 1 })
	letter := r.letters()[0]
	if letter.Values["reason"] != "fields" || letter.Values["payload"] != `foo="bar"` {
		t.Errorf("dead letter %v", letter.Values)
	}
}

// TestCheckPartitions asks worker check about partitions that a worker owns.
func TestCheckPartitions(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.stream(2)
	check := func(partitions, status int, words string) {
		t.Helper()
		p := r.start("worker", fmt.Sprint("REDIS_PARTITIONS=", partitions), "check")
		if got := p.end(); got != status || !strings.Contains(p.output(), words) {
			t.Errorf("status %d, want %d and %q:\n%s", got, status, words, p.output())
		}
	}
	w := r.worker()
	r.eventually("it owns both", func() bool { return w.metrics()["partition_owned"] == 2 })
	check(2, 0, "2 partitions with 0 entries, 1 workers, and 0 partitions without one")
	check(3, 1, "REDIS_PARTITIONS=3: the stream colors was begun with 2")
	w.stop()
	check(2, 0, "0 workers, and 2 partitions without one")
}
