package main

import (
	"strings"
	"time"

	"colorstream/grafana/sample"
	"colorstream/influxdb/series"
)

// A round is ten seconds of a running stack: a reading of all programs, and two windows. A fault
// changes it before it is written.
type round struct {
	number                             int           // those from begin on are the fault's
	generator, worker                  time.Duration // when each is read, after the round's end
	generatorGone, workerGone          bool
	published, noSubscribers, received float64
	generatorStart, workerStart        float64 // seconds
	ready, oldest, free, ahead         float64
	pointsRejected, lost               float64
	owned                              map[string]float64 // by worker
	lag                                float64
	noWindows, incomplete              bool
	silent                             string // a colour without windows
}

const (
	begin  = 70 // the round in which most faults begin
	rounds = 90 // a quarter of an hour
)

// A fault is something that happens to a stack, and the alerts that it must fire. It changes every
// round, that with which it begins, and all from then on.
type fault struct {
	every, at, since func(*round)
	alerts           []string
}

// faults are all that the alerts are for, and some that are none of their business.
var faults = map[string]fault{
	"nothing": {},
	"worker killed": {at: func(r *round) {
		r.workerStart, r.received, r.incomplete = 2e9, 300, true // of its last second nobody knows
	}},
	"stack restarted": {every: func(r *round) {
		r.generatorGone = r.number > begin-5 && r.number < begin
		r.workerGone, r.noWindows, r.incomplete = r.generatorGone, r.generatorGone, r.number == begin
	}, at: func(r *round) {
		r.generatorStart, r.workerStart, r.published, r.received = 2e9, 2e9, 900, 100
	}},
	"readings at a step's border, in another order from then on": {every: func(r *round) {
		r.generator, r.worker = 5*time.Millisecond, -5*time.Millisecond
	}, since: func(r *round) {
		r.generator, r.worker = -5*time.Millisecond, 5*time.Millisecond
	}},
	"readings missing now and then": {every: func(r *round) {
		r.generatorGone, r.workerGone = r.number%4 == 0, r.number%5 == 0
	}},
	"generator's metrics hang": {every: func(r *round) {
		r.worker += time.Duration(r.number%2) * 9 * time.Second // it waits for the generator's turn
	}, since: func(r *round) { r.generatorGone = true }, alerts: []string{"not-collected"}},
	"worker gone": {
		since:  func(r *round) { r.workerGone, r.noWindows = true, true },
		alerts: []string{"no-windows", "not-collected"},
	},
	"nobody listens": {since: func(r *round) {
		r.received, r.noSubscribers, r.noWindows = r.received-1000, r.noSubscribers+1000, true
	}, alerts: []string{"no-windows"}},
	"messages lost": {at: func(r *round) { r.received -= 500 }, alerts: []string{"unaccounted-loss"}},
	"Redis gone": {
		since:  func(r *round) { r.ready, r.noWindows = 0, true },
		alerts: []string{"no-windows", "not-connected"},
	},
	"Redis lost again and again": {
		since:  func(r *round) { r.ready, r.incomplete = float64(r.number%2), true },
		alerts: []string{"incomplete-windows"},
	},
	"InfluxDB slow": {
		since:  func(r *round) { r.oldest, r.noWindows = float64(r.number-begin)*10, true },
		alerts: []string{"no-windows", "points-waiting"},
	},
	"InfluxDB slow for a moment": {every: func(r *round) { r.oldest = float64(r.number%2) * 50 }},
	"points rejected": {at: func(r *round) {
		r.pointsRejected += 2
	}, alerts: []string{"points-rejected"}},
	"stream trimmed by others": {
		at:     func(r *round) { r.lost, r.incomplete = r.lost+7, true },
		alerts: []string{"removed"},
	},
	"disk full":   {since: func(r *round) { r.free = 1 << 28 }, alerts: []string{"disk-full"}},
	"clock ahead": {since: func(r *round) { r.ahead = 30 }, alerts: []string{"clock-skew"}},
	"take-over": {every: func(r *round) {
		r.owned["a"], r.owned["b"] = float64(r.number%2), float64(1-r.number%2)
	}},
	"owner crashed":  {since: func(r *round) { r.owned["a"] = 0 }, alerts: []string{"no-owner"}},
	"partition slow": {since: func(r *round) { r.lag = 90 }, alerts: []string{"partition-lag"}},
	"a colour ends":  {since: func(r *round) { r.silent = "red" }, alerts: []string{"silent-color"}},
}

// A stack plays what a healthy one leaves in InfluxDB, changed by a fault.
type stack struct {
	round

	fault fault
}

func newStack(f fault) *stack {
	return &stack{fault: f, round: round{
		number: -1, ready: 1, free: 10 << 28, generatorStart: 1e9, workerStart: 1e9,
		owned: map[string]float64{"a": 1, "b": 0},
	}}
}

// next plays the round that ends at an instant, and returns its lines.
func (s *stack) next(end time.Time) string {
	r := &s.round
	r.number++
	r.generator, r.worker = 20*time.Millisecond, 30*time.Millisecond
	r.generatorGone, r.workerGone, r.noWindows, r.incomplete = false, false, false, false
	r.published += 1000
	r.received += 1000
	change := func(f func(*round), now bool) {
		if f != nil && now {
			f(r)
		}
	}
	change(s.fault.every, true)
	change(s.fault.at, r.number == begin)
	change(s.fault.since, r.number >= begin)
	return string(r.metrics(end).Lines()) + string(sample.Lines(r.points(end)))
}

// history plays the rounds before number, of which the last ends at an instant.
func (s *stack) history(number int, end time.Time) string {
	var out strings.Builder
	for s.number < number-1 {
		out.WriteString(s.next(end.Add(-time.Duration(number-2-s.number) * sample.Scrape)))
	}
	return out.String()
}

func (r *round) metrics(end time.Time) (out sample.Samples) {
	add := func(gone bool, after time.Duration, series, field string, value float64) {
		if !gone {
			out = append(out, sample.Sample{Series: series, Field: field, At: end.Add(after), Value: value})
		}
	}
	generator := func(series, field string, value float64) {
		add(r.generatorGone, r.generator, series, field, value)
	}
	worker := func(series, field string, value float64) {
		add(r.workerGone, r.worker, series, field, value)
	}
	generator("colorstream_generator_published_total", "counter", r.published)
	generator("colorstream_generator_no_subscribers_total", "counter", r.noSubscribers)
	generator("process_start_time_seconds,program=generator", "gauge", r.generatorStart)
	worker("process_start_time_seconds,program=worker", "gauge", r.workerStart)
	worker("colorstream_worker_received_total", "counter", r.received)
	worker("colorstream_ready,program=worker,condition=redis", "gauge", r.ready)
	worker("colorstream_worker_store_oldest_seconds", "gauge", r.oldest)
	worker("colorstream_worker_store_disk_free_bytes", "gauge", r.free)
	worker("colorstream_worker_store_max_bytes", "gauge", 1<<28)
	worker("colorstream_worker_event_ahead_seconds", "gauge", r.ahead)
	worker("colorstream_worker_points_rejected_total", "counter", r.pointsRejected)
	worker("colorstream_worker_lost_total", "counter", r.lost)
	worker("colorstream_worker_partition_lag_seconds,partition=0", "gauge", r.lag)
	for name, owned := range r.owned {
		worker("colorstream_worker_partition_owned,partition=0,instance="+name, "gauge", owned)
	}
	return out
}

// points are those of the two windows that the round ends with.
func (r *round) points(end time.Time) (out []series.Point) {
	for _, color := range []string{"red", "blue"} {
		for before := 2 * sample.Window; before > 0 && !r.noWindows && color != r.silent; before -= sample.Window {
			out = append(out, series.Point{
				Color: color, Start: end.Add(-before), Complete: !r.incomplete,
				Statistics: series.DefaultStatistics(), Values: []float64{50, 50, 1, 99}, Sum: 150, Count: 3,
			})
		}
	}
	return out
}
