package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/source"
	"colorstream/worker/store"
)

// A pair is two workers that share eight partitions of one Redis, while messages come.
type pair struct {
	*rig
	influx  *redistest.Proxy // before InfluxDB
	client  *redis.Client
	keys    []string
	workers []*program
}

func newPair(t testing.TB) *pair {
	t.Helper()
	db := influxtest.Shared(t).NewBucket(t)
	p := &pair{rig: newRig(t, db), keys: store.Streams("colors", 8)}
	p.influx = redistest.NewProxy(t, "127.0.0.1", strings.TrimPrefix(db.URL, "http://"))
	p.env["INFLUX_URL"] = "http://" + p.influx.Addr()
	p.client = p.redis.Client()
	p.env["REDIS_TRANSPORT"], p.env["REDIS_PARTITIONS"] = stream, "8"
	p.env["GENERATOR_RATE"], p.env["GENERATOR_COLORS"] = "2000", manyColors(40)
	p.start("generator", nil)
	return p
}

// takeOver ends one of the two workers, and returns how long it took until the other had committed
// messages of all its partitions.
func (p *pair) takeOver(end func(*program)) time.Duration {
	p.t.Helper()
	for len(p.workers) < 2 {
		p.workers = append(p.workers, p.worker(nil))
	}
	owns := func(w *program) float64 { return w.metrics()["partition_owned"] }
	p.eventually("each worker has four partitions", 20*time.Second, func() bool {
		return owns(p.workers[0]) == 4 && owns(p.workers[1]) == 4
	})
	time.Sleep(time.Second)
	owners := make(map[string][]string) // names sort by the start of their workers
	for _, key := range p.keys {
		name := p.client.HGet(p.t.Context(), key+":worker", "owner").Val()
		owners[name] = append(owners[name], key)
	}
	oldest := slices.Min(slices.Collect(maps.Keys(owners)))
	start := time.Now()
	end(p.workers[0])
	p.workers = p.workers[1:]
	for _, key := range owners[oldest] {
		for {
			values := p.client.HMGet(p.t.Context(), key+":worker", "owner", "position").Val()
			position := fmt.Sprint(values[1])
			if values[0] != oldest && source.Milliseconds(position) >= start.UnixMilli() {
				break
			}
			if time.Since(start) > 20*time.Second {
				p.t.Fatalf("nobody takes %s from %s", key, oldest)
			}
			time.Sleep(2 * time.Millisecond)
		}
	}
	return time.Since(start)
}

var endings = []struct {
	name  string
	end   func(*program)
	hangs bool // InfluxDB does, so that windows wait
	most  time.Duration
}{
	{"killed", (*program).kill, false, 3 * time.Second},
	{"stopped", (*program).terminate, false, time.Second},
	{"stopped while InfluxDB hangs", (*program).terminate, true, time.Second},
}

func (p *program) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// TestTakeOver kills a worker, and stops one: the other has its partitions in time. What was
// committed is trimmed meanwhile.
func TestTakeOver(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, c := range endings {
		p.influx.Silence(c.hangs)
		var all []time.Duration
		for range 3 {
			all = append(all, p.takeOver(c.end))
		}
		t.Logf("%s: %v", c.name, all)
		if median := slices.Sorted(slices.Values(all))[1]; median > c.most {
			t.Errorf("%s: taken over after %v, want %v", c.name, median, c.most)
		}
	}
	info, err := p.client.XInfoStream(t.Context(), p.keys[0]).Result()
	if err != nil || info.Length == info.EntriesAdded {
		t.Errorf("a stream that was read for half a minute is not trimmed: %+v, %v", info, err)
	}
}

// BenchmarkTakeOver measures that more often.
//
//	cd worker && go test -run '^$' -bench TakeOver -benchtime 20x .
func BenchmarkTakeOver(b *testing.B) {
	for _, c := range endings {
		b.Run(c.name, func(b *testing.B) {
			p := newPair(b)
			p.influx.Silence(c.hangs)
			var all []time.Duration
			for b.Loop() {
				all = append(all, p.takeOver(c.end))
			}
			slices.Sort(all)
			b.ReportMetric(0, "ns/op") // most of it is waiting for the next round
			b.ReportMetric(float64(all[len(all)/2].Milliseconds()), "p50-ms")
			b.ReportMetric(float64(all[len(all)*99/100].Milliseconds()), "p99-ms")
		})
	}
}
