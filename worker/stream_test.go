package main

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// TestStandby starts two workers on one stream: one works, the other waits and says so, and takes
// over when the first is killed, and when it is stopped.
func TestStandby(t *testing.T) {
	t.Parallel()
	const width = time.Second
	r := newRig(t, nil)
	r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = stream, width.String()
	r.env["REDIS_STREAM_KEEP"] = "1h"
	client := r.redis.Client()
	owner := func() string { return client.HGet(t.Context(), "colors:worker", "owner").Val() }
	owns := func(p *program) bool {
		return strings.Contains(p.readyz(), "owns 1 of 1 partitions") &&
			p.metrics()["partition_owned"] == 1
	}
	generator := r.start("generator", map[string]string{"GENERATOR_RATE": "2000"})
	first := r.worker(nil)
	r.eventually("the first works", 10*time.Second, func() bool { return owns(first) })
	second := r.worker(nil)
	r.eventually("the second is a standby", 10*time.Second,
		func() bool { return strings.Contains(second.readyz(), "standby") })
	if !strings.Contains(second.readyz(), `"ready":true`) {
		t.Errorf("a standby is not ready: %s", second.readyz())
	}
	time.Sleep(2 * time.Second)
	if second.metrics()["received_total"] != 0 || !owns(first) {
		t.Error("the standby works, too")
	}
	before := owner()
	start := time.Now()
	first.kill()
	r.eventually("the second takes over", 5*time.Second, func() bool { return owns(second) })
	t.Logf("taken over %v after a kill", time.Since(start).Round(10*time.Millisecond))
	if owner() == before {
		t.Error("the owner's name is the same")
	}
	third := r.worker(nil)
	r.eventually("the third is a standby", 10*time.Second,
		func() bool { return strings.Contains(third.readyz(), "standby") })
	start = time.Now()
	second.stop()
	r.eventually("the third takes over", 5*time.Second, func() bool { return owns(third) })
	t.Logf("taken over %v after a stop began", time.Since(start).Round(10*time.Millisecond))
	generator.stop()
	want, messages := r.streamOracle(client, width)
	r.waitCount(int64(messages))
	if diff := same(want, r.points(), false); diff != "" {
		t.Errorf("-naive +bucket\n%.3000s", diff)
	}
}

func addEntry(t *testing.T, client redis.UniversalClient, values ...any) {
	t.Helper()
	entry := &redis.XAddArgs{Stream: "colors", Values: values}
	if err := client.XAdd(t.Context(), entry).Err(); err != nil {
		t.Fatal(err)
	}
}

// TestStreamSlow: an entry every few windows, among the worker's own ticks, is enough for every
// window, and no commit is rejected.
func TestStreamSlow(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = stream, "500ms"
	client := r.redis.Client()
	w := r.worker(map[string]string{"WORKER_LATENESS": "200ms"})
	const entries = 12
	for range entries {
		addEntry(t, client, "color", "red", "value", "1")
		time.Sleep(time.Duration(100+rand.IntN(900)) * time.Millisecond)
	}
	r.waitCount(entries)
	if n := strings.Count(w.output(), "partition acquired"); n != 1 {
		t.Errorf("the partition was acquired %d times, want once", n)
	}
	for key, p := range r.points() {
		if !p.Complete || p.Sum != float64(p.Count) {
			t.Errorf("%v: %+v", key, p)
		}
	}
}

// TestStreamTrimmedByOthers: entries that a sender trimmed before they were read are lost, counted,
// and their windows say so.
func TestStreamTrimmedByOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = stream, "1s"
	client := r.redis.Client()
	add := func(n int) {
		t.Helper()
		for range n {
			addEntry(t, client, "color", "red", "value", "1")
		}
	}
	w := r.worker(nil)
	add(10)
	r.waitCount(10)
	w.stop()
	add(30)
	if err := client.XTrimMaxLen(t.Context(), "colors", 5).Err(); err != nil {
		t.Fatal(err)
	}
	w = r.worker(nil)
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
	r.env["REDIS_TRANSPORT"] = stream
	r.worker(map[string]string{"WORKER_IDLE": "1s", "WORKER_LATENESS": "1s"})
	client := r.redis.Client()
	const ts = "1738573200000" // 2025-02-03T09:00:00Z
	for _, values := range [][]any{
		{"color", "red", "value", "42", "ts", ts},
		{"color", "red", "value", "48", "name", "n", "ts", ts},
		{"m", `{"color":"rose","value":43,"ts":` + ts + "}"},
		{"data", `{"color":"rust","value":45,"ts":` + ts + "}"},
		{"foo", "bar"},
	} {
		addEntry(t, client, values...)
	}
	r.waitCount(4)
	at := int64(1738573200) * 1e9
	want := map[pointKey]point{
		{at, "red"}:  {Mean: 45, Median: 45, Min: 42, Max: 48, Sum: 90, Count: 2, Complete: true},
		{at, "rose"}: {Mean: 43, Median: 43, Min: 43, Max: 43, Sum: 43, Count: 1, Complete: true},
		{at, "rust"}: {Mean: 45, Median: 45, Min: 45, Max: 45, Sum: 45, Count: 1, Complete: true},
	}
	if diff := same(want, r.points(), true); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	r.eventually("a dead letter", 10*time.Second,
		func() bool { return client.XLen(t.Context(), "colors:rejected").Val() == 1 })
	letter := client.XRange(t.Context(), "colors:rejected", "-", "+").Val()[0]
	if letter.Values["reason"] != "fields" || letter.Values["payload"] != `foo="bar"` {
		t.Errorf("dead letter %v", letter.Values)
	}
}

// TestCheckPartitions asks worker check about partitions that a worker owns.
func TestCheckPartitions(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil)
	r.env["REDIS_TRANSPORT"], r.env["REDIS_PARTITIONS"] = stream, "2"
	check := func(partitions string) (string, error) {
		p := r.start("worker", map[string]string{"REDIS_PARTITIONS": partitions}, "check")
		err := p.wait(20 * time.Second)
		return p.output(), err
	}
	w := r.worker(nil)
	r.eventually("it owns both", 10*time.Second,
		func() bool { return w.metrics()["partition_owned"] == 2 })
	text, err := check("2")
	if err != nil || !strings.Contains(text,
		"2 partitions with 0 entries, 1 workers, and 0 partitions without one") {
		t.Errorf("%v\n%s", err, text)
	}
	text, err = check("3")
	if err == nil || !strings.Contains(text,
		"REDIS_PARTITIONS=3: the stream colors was begun with 2") {
		t.Errorf("%v\n%s", err, text)
	}
	w.stop()
	if text, err = check("2"); err != nil ||
		!strings.Contains(text, "0 workers, and 2 partitions without one") {
		t.Errorf("%v\n%s", err, text)
	}
}
