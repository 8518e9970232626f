package main

import (
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/worker/source"
)

// A pointKey names a point, and a point is what stands there.
type pointKey struct {
	Start int64 // ns
	Color string
}

type point struct {
	Statistics map[string]float64
	Count      int64
	Complete   bool
}

// points reads all that is in the bucket.
func (r *rig) points() map[pointKey]point {
	r.t.Helper()
	for range 20 {
		// A read beside a write may see some of a point's fields before the others: then once more.
		if all, whole := r.readPoints(); whole {
			return all
		}
	}
	r.t.Fatal("some points lack fields, or have others")
	return nil
}

func (r *rig) readPoints() (all map[pointKey]point, whole bool) {
	r.t.Helper()
	rows := r.db.Query(r.t, `from(bucket: "`+r.db.Bucket+
		`") |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
		|> filter(fn: (r) => r._measurement == "color_metrics")
		|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`)
	all = make(map[pointKey]point, len(rows))
	for _, row := range rows {
		key := pointKey{row["_time"].(time.Time).UnixNano(), row["color"].(string)}
		if _, twice := all[key]; twice {
			r.t.Fatalf("two points for %v", key)
		}
		p := point{Statistics: make(map[string]float64)}
		for name, value := range row {
			if v, ok := value.(float64); ok {
				p.Statistics[name] = v
			}
		}
		var counted, proven bool
		p.Count, counted = row["count"].(int64)
		p.Complete, proven = row["complete"].(bool)
		fields := len(r.statistics)
		if p.Count == 1 && slices.Contains(r.statistics, "stddev") { // which one value has not
			fields--
		}
		if !counted || !proven || len(p.Statistics) != fields {
			return nil, false
		}
		all[key] = p
	}
	return all, true
}

func count(points map[pointKey]point) (n int64) {
	for _, p := range points {
		n += p.Count
	}
	return n
}

// stored returns the sum of the points' counts.
func (r *rig) stored() (n int64) {
	r.t.Helper()
	for _, row := range r.db.Query(r.t,
		`from(bucket: "`+r.db.Bucket+`") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
		|> filter(fn: (r) => r._field == "count") |> group() |> sum()`) {
		n, _ = row["_value"].(int64)
	}
	return n
}

// waitCount waits until the points' counts add up to n.
func (r *rig) waitCount(n int64) {
	r.t.Helper()
	last := r.stored()
	for deadline := time.Now().Add(waitTimeout); last != n; last = r.stored() {
		if time.Now().After(deadline) {
			r.t.Fatalf("the points hold %d messages, want %d", last, n)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// want waits until the points hold as many messages as those that are wanted, and compares them.
func (r *rig) want(want map[pointKey]point) {
	r.t.Helper()
	r.waitCount(count(want))
	if diff := difference(want, r.points()); diff != "" {
		r.t.Errorf("-want +bucket\n%.3000s", diff)
	}
}

// wantValues is want but for `complete`, which Pub/Sub's windows are only as long as nothing comes
// between.
func (r *rig) wantValues(want map[pointKey]point) {
	r.t.Helper()
	r.waitCount(count(want))
	got := r.points()
	for key, p := range got {
		p.Complete = want[key].Complete
		got[key] = p
	}
	if diff := difference(want, got); diff != "" {
		r.t.Errorf("-want +bucket\n%.3000s", diff)
	}
}

// difference compares points, but for a relative error of 1e-12.
func difference(want, got map[pointKey]point) string {
	return cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
	}))
}

// naive computes points as a program would that has all the time and memory in the world.
func (r *rig) naive(values map[pointKey][]float64) map[pointKey]point {
	all := make(map[pointKey]point, len(values))
	for key, v := range values {
		v = slices.Sorted(slices.Values(v))
		n := len(v)
		h := float64(n-1) * 0.95
		k := int(h)
		s := map[string]float64{
			"min": v[0], "max": v[n-1], "median": (v[(n-1)/2] + v[n/2]) / 2,
			"p95": v[k] + (h-float64(k))*(v[min(k+1, n-1)]-v[k]),
		}
		for _, x := range v {
			s["mean"] += x / float64(n)
			s["sum"] += x
		}
		squares := 0.0
		for _, x := range v {
			squares += (x - s["sum"]/float64(n)) * (x - s["sum"]/float64(n))
		}
		if n > 1 {
			s["stddev"] = math.Sqrt(squares / float64(n-1))
		}
		maps.DeleteFunc(s, func(name string, _ float64) bool {
			return !slices.Contains(r.statistics, name)
		})
		all[key] = point{s, int64(n), true}
	}
	return all
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
			case <-time.After(500 * time.Millisecond):
			}
			rows, err := r.db.TryQuery(r.t, r.db.AdminToken,
				`from(bucket: "`+r.db.Bucket+`") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
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

// contents is what the streams hold.
type contents struct {
	values   map[pointKey][]float64 // of all messages: a message's time is its ts, or its entry's id
	messages int64
	runs     map[string]int64 // messages of each run of a generator
	problems []string         // batches that are there twice, or missing between others
	rejected map[string]bool  // what ends the payload of a dead letter: see sendRejected
}

// contents reads all streams.
func (r *rig) contents(width time.Duration) contents {
	r.t.Helper()
	c := contents{
		values: make(map[pointKey][]float64), runs: make(map[string]int64),
		rejected: make(map[string]bool),
	}
	for _, key := range r.keys {
		numbers := make(map[string]uint64)
		for e := range r.entries(key) {
			if n, ok := e.Values["foo"].(string); ok {
				c.rejected[fmt.Sprintf("foo=%q", n)] = true
			}
			batch, _ := e.Values["n"].(string)
			run, text, numbered := strings.Cut(batch, ":")
			if numbered {
				n, err := strconv.ParseUint(text, 10, 64)
				if err != nil {
					r.t.Fatal(err)
				}
				if n != numbers[run]+1 {
					c.problems = append(c.problems, fmt.Sprintf(
						"%s %s: batch %d stands behind %d of run %s", key, e.ID, n, numbers[run], run))
				}
				numbers[run] = n
			}
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
				if m.Color == rejectedColor {
					c.rejected[strconv.FormatInt(at, 10)] = true
					continue
				}
				key := pointKey{at - at%int64(width), m.Color}
				c.values[key] = append(c.values[key], m.Value)
				c.messages++
				if numbered {
					c.runs[run]++
				}
			}
		}
	}
	return c
}

// entries are a stream's.
func (r *rig) entries(key string) iter.Seq[redis.XMessage] {
	return func(yield func(redis.XMessage) bool) {
		for from := "-"; ; {
			page, err := r.client.XRangeN(r.t.Context(), key, from, "+", 20_000).Result()
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
