package main

import (
	"iter"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/source"
	"colorstream/worker/store"
)

// restarts is how often the tests of this file end the worker.
func restarts(t *testing.T) int {
	if testing.Short() {
		return 10
	}
	return 50
}

// watch reads the bucket again and again until the test's end, or until stop is called: no point's
// count may ever become smaller.
func (r *rig) watch() (stop func()) {
	quit := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		seen := make(map[pointKey]int64)
		for {
			select {
			case <-quit:
				return
			case <-time.After(300 * time.Millisecond):
			}
			rows, err := r.db.TryQuery(r.t, r.db.AdminToken, `from(bucket: "`+r.db.Bucket+`") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
				|> filter(fn: (r) => r._field == "count") |> keep(columns: ["_time", "_value", "color"])`)
			if err != nil {
				continue // InfluxDB is away
			}
			for _, row := range rows {
				key := pointKey{row["_time"].(time.Time).UnixNano(), row["color"].(string)}
				n := row["_value"].(int64)
				if n < seen[key] {
					r.t.Errorf("the point of %s at %v went from %d messages to %d", key.Color,
						time.Unix(0, key.Start).UTC(), seen[key], n)
				}
				seen[key] = n
			}
		}
	})
	stop = sync.OnceFunc(func() { close(quit); done.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// streamOracle computes the points from what is in the stream, all partitions of it: a message's
// time is its ts, or its entry's id.
func (r *rig) streamOracle(
	client redis.UniversalClient, width time.Duration,
) (want map[pointKey]point, messages int) {
	r.t.Helper()
	values := make(map[pointKey][]float64)
	partitions, _ := strconv.Atoi(r.env["REDIS_PARTITIONS"])
	for _, key := range store.Streams("colors", max(partitions, 1)) {
		for e := range r.entries(client, key) {
			payload, _ := e.Values["m"].(string) // a tick has none
			for payload != "" {
				m, n, err := message.Next(payload)
				if err != nil {
					r.t.Fatal(err)
				}
				payload = payload[n:]
				at := source.Milliseconds(e.ID) * int64(time.Millisecond)
				if !m.Time.IsZero() {
					at = m.Time.UnixNano()
				}
				key := pointKey{at - at%int64(width), m.Color}
				values[key] = append(values[key], m.Value)
				messages++
			}
		}
	}
	return naive(values), messages
}

// entries are a stream's.
func (r *rig) entries(client redis.UniversalClient, key string) iter.Seq[redis.XMessage] {
	return func(yield func(redis.XMessage) bool) {
		for from := "-"; ; {
			page, err := client.XRangeN(r.t.Context(), key, from, "+", 20_000).Result()
			if err != nil {
				r.t.Fatal(err)
			}
			if len(page) == 0 {
				return
			}
			for _, e := range page {
				if !yield(e) {
					return
				}
			}
			from = "(" + page[len(page)-1].ID
		}
	}
}

// TestStreamCrashes kills the worker at random moments while the generator publishes 20 000
// messages a second, and InfluxDB or Redis now and then: in the end the bucket equals, point for
// point, what a naive program computes from the stream.
func TestStreamCrashes(t *testing.T) {
	t.Parallel()
	run := func(name string, redisToo bool) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const width = time.Second
			db := influxtest.Start(t)
			r := newRig(t, db, "--appendonly", "yes", "--appendfsync", "always")
			r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = stream, width.String()
			r.env["REDIS_STREAM_KEEP"] = "1h" // the stream is the oracle's input
			r.env["WORKER_STATISTICS"] = moreStatistics
			client := r.redis.Client()
			stopWatching := r.watch()
			generator := r.start("generator", map[string]string{"GENERATOR_RATE": "20000"})
			random := rand.New(rand.NewPCG(7, 7))
			for i := range restarts(t) {
				w := r.start("worker", nil)
				time.Sleep(time.Duration(200+random.IntN(1000)) * time.Millisecond)
				switch {
				case i%15 == 5:
					db.Stop(t)
				case i%15 == 10:
					db.Restart(t)
				case redisToo && i%5 == 3:
					r.redis.Kill()
					r.redis.Restart()
				}
				w.kill()
			}
			db.Restart(t)
			generator.stop()
			r.start("worker", nil)
			want, entries := r.streamOracle(client, width)
			r.eventually("all entries are in points", 90*time.Second,
				func() bool { return count(r.points()) >= int64(entries) })
			got := r.points()
			stopWatching()
			if diff := same(want, got, false); diff != "" {
				t.Errorf("-naive +bucket\n%s", diff)
			}
			for key, p := range got {
				if !p.Complete {
					t.Errorf("the point of %s at %v is incomplete; a stream loses nothing", key.Color,
						time.Unix(0, key.Start).UTC())
				}
			}
			t.Logf("%d kills, %d entries, %d points compared", restarts(t), entries, len(want))
		})
	}
	run("worker and InfluxDB", false)
	run("worker, InfluxDB and Redis", true)
}

// publishCounting publishes 1, 2, 3 … of one color until quit is closed, about a thousand a second,
// and returns the last number. Window by window, numbers that are missing show what was lost.
func publishCounting(t *testing.T, client *redis.Client, quit <-chan struct{}) (last int) {
	for {
		select {
		case <-quit:
			return last
		case <-time.After(10 * time.Millisecond):
		}
		payloads := make([]string, 10)
		for i := range payloads {
			last++
			payloads[i] = string(message.Message{Color: "red", Value: float64(last)}.AppendJSON(nil))
		}
		publish(t, client, payloads...)
	}
}

// checkCounting holds each point against the numbers: a complete window misses none, and nor does
// what lies between two complete windows that touch.
func checkCounting(t *testing.T, points map[pointKey]point, width time.Duration) (incomplete int) {
	keys := make([]pointKey, 0, len(points))
	for key := range points {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b pointKey) int { return int(a.Start/1e6 - b.Start/1e6) })
	for i, key := range keys {
		p := points[key]
		at := time.Unix(0, key.Start).UTC()
		if float64(p.Count) > p.Max-p.Min+1 {
			t.Errorf("the window at %v holds something twice: %+v", at, p)
		}
		if !p.Complete {
			incomplete++
			continue
		}
		if float64(p.Count) != p.Max-p.Min+1 {
			t.Errorf("the window at %v calls itself complete and misses messages: %+v", at, p)
		}
		if mean := (p.Max + p.Min) / 2; math.Abs(p.Mean-mean) > 1e-9*mean || p.Median != mean {
			t.Errorf("the window at %v: %+v", at, p)
		}
		n := float64(p.Count)
		if p.P95 != 0 && math.Abs(p.P95-p.Min-0.95*(n-1)) > 1e-6 || p.StdDev != 0 &&
			math.Abs(p.StdDev-math.Sqrt(n*(n+1)/12)) > 1e-6 {
			t.Errorf("the window at %v: %+v", at, p)
		}
		if i > 0 && points[keys[i-1]].Complete && keys[i-1].Start+int64(width) == key.Start &&
			points[keys[i-1]].Max+1 != p.Min {
			t.Errorf("messages are missing before %v", at)
		}
	}
	return incomplete
}

var stopLine = regexp.MustCompile(`msg=stopped .*?received=(\d+) accepted=(\d+)`)

// TestPubSubRestarts stops the worker with SIGTERM inside windows, again and again: every message
// that it had received is in exactly one point, and no window with a gap calls itself complete.
func TestPubSubRestarts(t *testing.T) {
	t.Parallel()
	const width = 2 * time.Second
	r := newRig(t, nil)
	r.env["WORKER_WINDOW"] = width.String()
	stopWatching := r.watch()
	quit := make(chan struct{})
	published := make(chan int, 1)
	go func() { published <- publishCounting(t, r.redis.Client(), quit) }()
	random := rand.New(rand.NewPCG(8, 8))
	var received int64
	for i := range restarts(t) {
		w := r.worker(nil)
		run := time.Duration(random.IntN(700)) * time.Millisecond
		if i%10 == 9 {
			run += 2 * width // so that some windows are whole
		}
		time.Sleep(run)
		w.stop()
		line := stopLine.FindStringSubmatch(w.output())
		if line == nil || line[1] != line[2] {
			t.Fatalf("the last line does not say that all received is counted:\n%s", w.tail())
		}
		n, _ := strconv.ParseInt(line[1], 10, 64)
		received += n
	}
	close(quit)
	last := r.worker(nil)
	r.waitCount(received)
	last.stop()
	stopWatching()
	points := r.points()
	incomplete := checkCounting(t, points, width)
	if incomplete == len(points) || incomplete == 0 {
		t.Errorf("%d of %d windows are incomplete", incomplete, len(points))
	}
	total := <-published
	t.Logf("%d restarts: %d published, %d counted, %d lost on the way; %d of %d windows incomplete",
		restarts(t), total, received, int64(total)-received, incomplete, len(points))
}

// TestPubSubKills kills the worker with SIGKILL: what it had received since the last checkpoint is
// lost, about a second, and the windows say so; and no point ever becomes smaller.
func TestPubSubKills(t *testing.T) {
	t.Parallel()
	const width = time.Second
	r := newRig(t, nil)
	r.env["WORKER_WINDOW"] = width.String()
	r.env["WORKER_STATISTICS"] = moreStatistics
	stopWatching := r.watch()
	quit := make(chan struct{})
	published := make(chan int, 1)
	go func() { published <- publishCounting(t, r.redis.Client(), quit) }()
	random := rand.New(rand.NewPCG(9, 9))
	for range restarts(t) / 2 {
		w := r.worker(nil)
		time.Sleep(time.Duration(random.IntN(2500)) * time.Millisecond)
		w.kill()
	}
	close(quit)
	total := <-published
	r.worker(nil).stop()
	r.worker(nil) // closes what the first one left open
	r.eventually("the last window is written", 30*time.Second, func() bool {
		for _, p := range r.points() {
			if p.Max > float64(total)-4000 {
				return true
			}
		}
		return false
	})
	stopWatching()
	points := r.points()
	incomplete := checkCounting(t, points, width)
	t.Logf("%d kills: %d published, %d counted; %d of %d windows incomplete", restarts(t)/2, total,
		count(points), incomplete, len(points))
	if n := count(points); n > int64(total) {
		t.Errorf("%d messages counted, %d published", n, total)
	}
}
