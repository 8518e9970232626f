package main

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
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

// TestStreamCrashes kills the worker at random moments while messages come, and InfluxDB or Redis now
// and then: in the end the bucket equals, point for point, what a naive program computes from the
// stream.
func TestStreamCrashes(t *testing.T) {
	t.Parallel()
	const width = time.Second
	run := func(name string, kills int, least time.Duration, redisToo bool, publish func(*rig) (stop func())) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := influxtest.Start(t)
			r := newRig(t, db, "--appendonly", "yes", "--appendfsync", "always")
			r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = stream, width.String()
			r.env["WORKER_LATENESS"] = "2s"
			r.env["REDIS_STREAM_KEEP"] = "1h" // the stream is the oracle's input
			r.env["WORKER_STATISTICS"] = moreStatistics
			client := r.redis.Client()
			stopWatching := r.watch()
			stop := publish(r)
			random := rand.New(rand.NewPCG(7, 7))
			for i := range kills {
				w := r.start("worker", nil)
				time.Sleep(least + time.Duration(random.IntN(1000))*time.Millisecond)
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
			stop()
			r.start("worker", nil)
			want, messages := r.streamOracle(client, width)
			r.waitCount(int64(messages))
			got := r.points()
			stopWatching()
			if diff := same(want, got, false); diff != "" {
				t.Errorf("-naive +bucket\n%.3000s", diff)
			}
			for key, p := range got {
				if !p.Complete {
					t.Errorf("the point of %s at %v is incomplete; a stream loses nothing", key.Color,
						time.Unix(0, key.Start).UTC())
				}
			}
			t.Logf("%d kills, %d messages, %d points compared", kills, messages, len(want))
		})
	}
	generate := func(r *rig) func() {
		return r.start("generator", map[string]string{"GENERATOR_RATE": "20000"}).stop
	}
	run("worker and InfluxDB", restarts(t), 200*time.Millisecond, false, generate)
	run("worker, InfluxDB and Redis", restarts(t), 200*time.Millisecond, true, generate)
	run("mixed times", 10, lease, false, publishMixed)
}

// publishMixed publishes messages half of which carry times of their own, half a second old.
func publishMixed(r *rig) (stop func()) {
	client := r.redis.Client()
	quit := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		random := rand.New(rand.NewPCG(3, 3))
		for {
			select {
			case <-quit:
				return
			case <-time.After(10 * time.Millisecond):
			}
			_, err := client.Pipelined(r.t.Context(), func(p redis.Pipeliner) error {
				for range 20 {
					var lines []string
					for range 1 + random.IntN(5) {
						line := fmt.Sprintf(`{"color":"c%d","value":%d`, random.IntN(4), random.IntN(1000))
						if random.IntN(2) == 0 {
							line += fmt.Sprintf(`,"ts":%d`, time.Now().UnixMilli()-500-random.Int64N(200))
						}
						lines = append(lines, line+"}")
					}
					entry := &redis.XAddArgs{Stream: "colors", Values: []any{"m", strings.Join(lines, "\n")}}
					p.XAdd(r.t.Context(), entry)
				}
				return nil
			})
			if err != nil {
				r.t.Error(err)
				return
			}
		}
	})
	return func() { close(quit); publisher.Wait() }
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
	numbers, stop := publishNumbers(t, r.redis.Client())
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
	stop()
	last := r.worker(nil)
	r.waitCount(received)
	last.stop()
	stopWatching()
	points := r.points()
	complete := numbers.check(t, points, width)
	if complete == len(points) || complete == 0 {
		t.Errorf("%d of %d windows are complete", complete, len(points))
	}
	t.Logf("%d restarts: %d published, %d counted; %d of %d windows complete", restarts(t),
		len(numbers.before), received, complete, len(points))
}
