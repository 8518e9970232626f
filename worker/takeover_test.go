package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/generator/redistest"
	"colorstream/worker/source"
)

// A pair is two workers that share the partitions of one Redis, while messages come.
type pair struct {
	*rig
	influx    *redistest.Proxy // before InfluxDB
	generator *program
	workers   []*program
}

func newPair(t testing.TB, partitions int) *pair {
	t.Helper()
	p := &pair{rig: newRig(t, nil, "--stream-node-max-entries", "10")} // what is trimmed at once
	p.influx = redistest.NewProxy(t, "127.0.0.1", strings.TrimPrefix(p.db.URL, "http://"))
	p.stream(partitions)
	p.set("INFLUX_URL=http://"+p.influx.Addr(), "WORKER_WINDOW=1s")
	p.generator = p.start("generator", "GENERATOR_RATE=2000", "GENERATOR_COLORS="+manyColors(40))
	return p
}

// takeOver ends the first of the two workers, and returns it, and how long it took until the other
// had committed messages of all its partitions.
func (p *pair) takeOver(c ending) (*program, time.Duration) {
	p.t.Helper()
	p.influx.Silence(false)
	for len(p.workers) < 2 {
		p.workers = append(p.workers, p.worker())
	}
	first, second := p.workers[0], p.workers[1]
	has := func(w *program, n int) bool {
		state := w.readyz()
		standby := n > 0 || strings.Contains(state, "standby") && w.metrics()["received_total"] == 0
		return int(w.metrics()["partition_owned"]) == n && standby &&
			strings.Contains(state, `"name":"redis","ok":true`)
	}
	n := len(p.keys)
	p.eventually("each worker has its share", func() bool {
		return has(first, n-n/2) && has(second, n/2)
	})
	time.Sleep(time.Second)
	owners := make(map[string][]string) // names sort by the start of their workers
	for _, key := range p.keys {
		name := p.client.HGet(p.t.Context(), key+":worker", "owner").Val()
		owners[name] = append(owners[name], key)
	}
	oldest := slices.Min(slices.Collect(maps.Keys(owners)))
	if p.influx.Silence(c.hangs); c.hangs {
		p.eventually("points wait", func() bool { return first.metrics()["store_waiting"] > 0 })
	}
	start := time.Now()
	c.end(first)
	p.workers = p.workers[1:]
	for _, key := range owners[oldest] {
		p.eventually(key+" has another owner, which commits", func() bool {
			values := p.client.HMGet(p.t.Context(), key+":worker", "owner", "position").Val()
			return values[0] != oldest &&
				source.Milliseconds(fmt.Sprint(values[1])) >= start.UnixMilli()
		})
	}
	return first, time.Since(start)
}

// An ending is one of a worker, while InfluxDB hangs or not.
type ending struct {
	name  string
	end   func(*program)
	hangs bool
}

var endings = []ending{
	{"killed", (*program).kill, false},
	{"stopped", (*program).terminate, false},
	{"stopped while InfluxDB hangs", (*program).terminate, true},
}

// TestTakeOver kills a worker, and stops one: the other, or a standby, takes its partitions, and
// points are those of the streams. A worker that is stopped gives its partitions back, and does not
// wait for InfluxDB.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	for _, partitions := range []int{1, 8} {
		t.Run(fmt.Sprint(partitions), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, partitions)
			if partitions == 1 {
				p.set("REDIS_STREAM_KEEP=1h") // for the oracle
			}
			for _, c := range endings {
				w, took := p.takeOver(c)
				t.Logf("%s: taken over after %v", c.name, took)
				_ = w.wait()
				output := w.output()
				released := strings.Count(output, "partition released")
				// Half of eight it has given to the other before.
				if c.name != "killed" && released < partitions {
					t.Errorf("%s: it released %d of %d partitions", c.name, released, partitions)
				}
				if c.hangs && (!strings.Contains(output, "the rest stays in the store") ||
					strings.Contains(output, "no answer in time")) { // for which a request waits ten seconds
					t.Errorf("%s: it waits for InfluxDB:\n%s", c.name, w.tail())
				}
			}
			p.influx.Silence(false)
			if partitions == 1 {
				p.generator.stop()
				p.want(p.naive(p.contents(time.Second).values))
				return
			}
			p.eventually("what was committed is trimmed", func() bool {
				info := p.client.XInfoStream(t.Context(), p.keys[0]).Val()
				return info.Length < info.EntriesAdded
			})
		})
	}
}

// BenchmarkTakeOver measures that more often.
//
//	cd worker && go test -run '^$' -bench TakeOver -benchtime 20x .
func BenchmarkTakeOver(b *testing.B) {
	for _, c := range endings {
		b.Run(c.name, func(b *testing.B) {
			p := newPair(b, 8)
			var all []time.Duration
			for b.Loop() {
				_, took := p.takeOver(c)
				all = append(all, took)
			}
			slices.Sort(all)
			b.ReportMetric(0, "ns/op") // most of it is waiting for the next round
			b.ReportMetric(float64(all[len(all)/2].Milliseconds()), "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100].Milliseconds()), "p99-ms")
		})
	}
}
