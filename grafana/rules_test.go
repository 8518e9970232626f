package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/lint"
	"colorstream/grafana/query"
	"colorstream/grafana/sample"
	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxtest"
)

// A round is one reading of all programs, every ten seconds. A fault changes it before it is
// written.
type round struct {
	number                             int           // from the oldest, 0, to the newest, rounds-1
	generator, worker                  time.Duration // when each is read, after the round's begin
	generatorGone, workerGone          bool
	published, noSubscribers, received float64
	generatorStart, workerStart        float64 // seconds
	ready, oldest, free, ahead         float64
	pointsRejected, lost               float64
	owned                              map[string]float64 // by worker
	lag                                float64
}

const rounds = 90 // a quarter of an hour

// healthy plays a healthy stack, changed by faults, with readings that end now.
func healthy(end time.Time, fault func(*round)) sample.Samples {
	var out sample.Samples
	r := &round{ready: 1, free: 10 << 28, generatorStart: 1e9, workerStart: 1e9, owned: map[string]float64{"a": 1, "b": 0}}
	for i := range rounds {
		r.number, r.generator, r.worker = i, 20*time.Millisecond, 30*time.Millisecond
		r.generatorGone, r.workerGone = false, false
		r.published += 1000
		r.received += 1000
		fault(r)
		begin := end.Add(time.Duration(i-rounds) * sample.Scrape)
		add := func(gone bool, after time.Duration, name, labels, field string, value float64) {
			if !gone {
				out = append(out, sample.Sample{Name: name, Labels: labels, Field: field, At: begin.Add(after), Value: value})
			}
		}
		generator := func(name, labels, field string, value float64) {
			add(r.generatorGone, r.generator, name, labels, field, value)
		}
		worker := func(name, labels, field string, value float64) {
			add(r.workerGone, r.worker, name, labels, field, value)
		}
		generator("colorstream_generator_published_total", "", "counter", r.published)
		generator("colorstream_generator_no_subscribers_total", "", "counter", r.noSubscribers)
		generator("process_start_time_seconds", "program=generator", "gauge", r.generatorStart)
		worker("process_start_time_seconds", "program=worker", "gauge", r.workerStart)
		worker("colorstream_worker_received_total", "", "counter", r.received)
		worker("colorstream_ready", "program=worker,condition=redis", "gauge", r.ready)
		worker("colorstream_worker_store_oldest_seconds", "", "gauge", r.oldest)
		worker("colorstream_worker_store_disk_free_bytes", "", "gauge", r.free)
		worker("colorstream_worker_store_max_bytes", "", "gauge", 1<<28)
		worker("colorstream_worker_event_ahead_seconds", "", "gauge", r.ahead)
		worker("colorstream_worker_points_rejected_total", "", "counter", r.pointsRejected)
		worker("colorstream_worker_lost_total", "", "counter", r.lost)
		worker("colorstream_worker_partition_lag_seconds", "partition=0", "gauge", r.lag)
		for name, owned := range r.owned {
			worker("colorstream_worker_partition_owned", "partition=0,instance="+name, "gauge", owned)
		}
	}
	return out
}

// Each fault fires its own alert and no other; restarts, gaps and another order of readings fire
// none.
func TestEachFaultFiresItsAlertAlone(t *testing.T) {
	t.Parallel()
	recent := func(r *round) bool { return r.number >= rounds-15 }
	cases := map[string]struct {
		fault func(*round)
		want  []string
	}{
		"nothing": {func(*round) {}, nil},
		"worker killed": {func(r *round) {
			if r.number == rounds-20 {
				r.workerStart, r.received = 2e9, 300 // of its last second nobody knows
			}
		}, nil},
		"stack restarted": {func(r *round) {
			r.generatorGone = r.number > rounds-25 && r.number < rounds-20
			r.workerGone = r.generatorGone
			if r.number == rounds-20 {
				r.generatorStart, r.workerStart, r.published, r.received = 2e9, 2e9, 900, 100
			}
		}, nil},
		"readings at a step's border, in another order from then on": {func(r *round) {
			if r.generator = -5 * time.Millisecond; r.number < rounds-30 {
				r.generator = 5 * time.Millisecond
			}
			r.worker = -r.generator
		}, nil},
		"readings missing now and then": {func(r *round) {
			r.generatorGone, r.workerGone = r.number%4 == 0, r.number%5 == 0
		}, nil},
		"generator hangs": {func(r *round) {
			r.generatorGone = recent(r)
			r.worker += time.Duration(r.number%2) * 9 * time.Second // it waits for the generator's turn
		}, []string{"not-collected"}},
		"worker gone": {func(r *round) { r.workerGone = recent(r) }, []string{"not-collected"}},
		"nobody listens": {func(r *round) {
			if recent(r) {
				r.received, r.noSubscribers = r.received-1000, r.noSubscribers+1000
			}
		}, nil},
		"messages lost": {func(r *round) {
			if r.number == rounds-20 {
				r.received -= 500
			}
		}, []string{"unaccounted-loss"}},
		"Redis lost": {func(r *round) {
			if recent(r) {
				r.ready = 0
			}
		}, []string{"not-connected"}},
		"Redis lost for a moment":    {func(r *round) { r.ready = float64(r.number % 2) }, nil},
		"InfluxDB slow":              {func(r *round) { r.oldest = float64(max(0, r.number-rounds+20)) * 10 }, []string{"points-waiting"}},
		"InfluxDB slow for a moment": {func(r *round) { r.oldest = float64(r.number%2) * 50 }, nil},
		"points rejected": {func(r *round) {
			if r.number == rounds-10 {
				r.pointsRejected += 2
			}
		}, []string{"points-rejected"}},
		"stream trimmed by others": {func(r *round) {
			if r.number == rounds-10 {
				r.lost += 7
			}
		}, []string{"removed"}},
		"disk full":     {func(r *round) { r.free = 1 << 28 }, []string{"disk-full"}},
		"clock ahead":   {func(r *round) { r.ahead = 30 }, []string{"clock-skew"}},
		"take-over":     {func(r *round) { r.owned["a"], r.owned["b"] = float64(r.number%2), float64(1-r.number%2) }, nil},
		"owner crashed": {func(r *round) { r.owned["a"] = 0 }, []string{"no-owner"}},
		"partition slow": {func(r *round) {
			if recent(r) {
				r.lag = 90
			}
		}, []string{"partition-lag"}},
	}
	set, err := lint.Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	fired := map[string]bool{}
	for name, tc := range cases {
		db := influxtest.Shared(t).NewBucket(t)
		client := flux.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}
		end := time.Now().Truncate(sample.Scrape)
		db.Write(t, string(healthy(end, tc.fault).Lines()))
		var got []string
		for _, r := range set.Rules() {
			if r.File != "pipeline.yaml" {
				continue
			}
			where := query.Context{
				Start: end.Add(-time.Duration(r.Data[0].Range.From) * time.Second), Stop: end, Every: time.Second,
				Bucket: db.Bucket, Org: db.Org,
			}
			for _, answer := range ask(t, client, where, r.Data[0].Model.Query) {
				evaluator := r.Data[2].Model.Conditions[0].Evaluator
				value := answer["_value"].(float64)
				if evaluator.Type == "gt" && value > evaluator.Params[0] ||
					evaluator.Type == "lt" && value < evaluator.Params[0] {
					uid := strings.TrimPrefix(r.UID, "colorstream-")
					got, fired[uid] = append(got, uid), true
				}
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q fire, want %q", name, got, tc.want)
		}
	}
	if len(fired) != 10 {
		t.Errorf("only %q were seen to fire", slices.Sorted(maps.Keys(fired)))
	}
}

// The account on the dashboard comes out at zero, restarts of the stack included, and shows a loss.
func TestAccount(t *testing.T) {
	t.Parallel()
	set, err := lint.Load(os.DirFS("."))
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(set.Queries(), func(q lint.Query) bool { return q.Key == "pipeline/7/A" })
	for name, tc := range map[string]struct {
		fault func(*round)
		want  float64
	}{
		"nothing": {func(*round) {}, 0},
		"restarts": {func(r *round) {
			r.generatorGone, r.workerGone = r.number == 40, r.number == 20 || r.number == 40
			switch r.number {
			case 21:
				r.workerStart, r.received = 2e9, 300
			case 41:
				r.generatorStart, r.workerStart, r.published, r.received = 3e9, 3e9, 900, 100
			}
		}, 0},
		"a loss, before a restart": {func(r *round) {
			switch r.number {
			case 20:
				r.received -= 500
			case 41:
				r.workerStart, r.received = 3e9, 100
			}
		}, 500},
	} {
		db := influxtest.Shared(t).NewBucket(t)
		client := flux.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}
		end := time.Now().Truncate(sample.Scrape)
		db.Write(t, string(healthy(end, tc.fault).Lines()))
		where := query.Context{Start: end.Add(-20 * time.Minute), Stop: end, Every: 10 * time.Second, Bucket: db.Bucket, Org: db.Org}
		got := ask(t, client, where, set.Queries()[at].Flux)
		if diff := difference(got, []row{{"lost": tc.want}}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
