package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/sample"
	"colorstream/influxdb/influxtest"
)

// Each fault fires its alerts and no other. Here their queries alone are asked; TestAlertsInTime
// has Grafana ask them.
func TestEachFaultFiresItsAlertAlone(t *testing.T) {
	t.Parallel()
	set := load(t, ".")
	fired := map[string]bool{}
	for name, f := range faults {
		db := influxtest.Shared(t).NewBucket(t)
		end := time.Now().Truncate(sample.Scrape)
		db.Write(t, newStack(f).history(rounds, end))
		var got []string
		for _, r := range set.Rules() {
			start := end.Add(-time.Duration(r.Get("data.0.relativeTimeRange.from").Int()) * time.Second)
			evaluator := r.Get("data.2.model.conditions.0.evaluator")
			for _, answer := range ask(t, db, start, end, time.Second, r.Get("data.0.model.query").Str) {
				beyond := answer["_value"].(float64) - evaluator.Get("params.0").Num
				if kind := evaluator.Get("type").Str; kind == "gt" && beyond > 0 || kind == "lt" && beyond < 0 {
					uid := strings.TrimPrefix(r.Get("uid").Str, "colorstream-")
					got, fired[uid] = append(got, uid), true
				}
			}
		}
		if slices.Sort(got); !slices.Equal(got, f.alerts) {
			t.Errorf("%s: %q fire, want %q", name, got, f.alerts)
		}
	}
	if len(fired) != len(set.Rules()) {
		t.Errorf("only %q were seen to fire", slices.Sorted(maps.Keys(fired)))
	}
}

// What is not accounted for on the dashboard is zero, restarts of the stack included, and a loss.
func TestNotAccountedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*round)
		want   float64
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
		end := time.Now().Truncate(sample.Scrape)
		db.Write(t, newStack(fault{every: tc.change}).history(rounds, end))
		got := ask(t, db, end.Add(-20*time.Minute), end, 10*time.Second, fluxOf(t, "pipeline/7/A"))
		if diff := difference(got, []row{{"lost": tc.want}}); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A program that hung answers all readings at once, and InfluxDB stores them in any order: the
// tiles of the dashboard take no such step back for a restart.
func TestReadingsInReverse(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	end := time.Now().Truncate(sample.Scrape)
	var readings sample.Samples
	for i, value := range []float64{1000, 1200, 1190, 1195, 1300, 10, 50} { // a restart comes last
		for _, name := range []string{"generator_published", "worker_received", "worker_accepted"} {
			at := end.Add(time.Duration(i-10) * time.Second)
			readings = append(readings,
				sample.Sample{Series: "colorstream_" + name + "_total", Field: "counter", At: at, Value: value})
		}
	}
	db.Write(t, string(readings.Lines()))
	for _, key := range []string{"pipeline/1/A", "pipeline/3/A", "pipeline/4/A"} {
		got := ask(t, db, end.Add(-time.Minute), end, time.Second, fluxOf(t, key))
		if diff := difference(got, []row{{"_value": 350.0}}); diff != "" {
			t.Errorf("%s: %s", key, diff)
		}
	}
}
