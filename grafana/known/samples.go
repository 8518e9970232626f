package known

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A Sample is one number of a program's metrics, as InfluxDB's scrapers write
// it: a counter, a gauge, or one bound of a histogram.
type Sample struct {
	Name   string
	Labels string // as tags in line protocol: reason=late,…
	Field  string
	At     time.Time
	Value  float64
}

// Samples are in order of time.
type Samples []Sample

// Scrape is how often programs are read.
const Scrape = 10 * time.Second

// scraped is how much the known samples cover.
const scraped = time.Hour

// bounds are a histogram's.
var bounds = []string{"0.001", "0.01", "0.1", "1", "+Inf"}

// counters are those that grow by themselves, with the most that they grow by
// between two samples.
var counters = []struct {
	name, labels string
	most         int
}{
	{"colorstream_worker_rejected_total", "reason=not_json", 3},
	{"colorstream_worker_rejected_total", "reason=late", 2},
	{"colorstream_worker_rejected_total", "reason=future", 1},
	{"colorstream_worker_late_total", "", 2},
	{"colorstream_worker_forgotten_total", "", 2},
	{"colorstream_worker_windows_incomplete_total", "", 2},
	{"colorstream_worker_reconnects_total", "", 2},
	{"colorstream_worker_write_errors_total", "class=network", 3},
	{"colorstream_worker_write_errors_total", "class=server", 2},
	{"colorstream_worker_points_quarantined_total", "", 2},
	{"colorstream_worker_points_dropped_total", "", 2},
	{"colorstream_worker_spool_dropped_total", "", 2},
	{"http_api_requests_total", "handler=platform,method=POST,path=/api/v2/write,response_code=204,status=2XX", 5},
	{"http_api_requests_total", "handler=platform,method=POST,path=/api/v2/write,response_code=503,status=5XX", 2},
	{"http_api_requests_total", "handler=platform,method=POST,path=/api/v2/query,response_code=200,status=2XX", 30},
}

// gauges are those that go up and down up to a most.
var gauges = []struct {
	name, labels string
	most         int
}{
	{"colorstream_worker_spool_oldest_seconds", "", 60},
	{"colorstream_worker_spool_bytes", "", 1 << 20},
	{"colorstream_redis_subscribers", "", 3},
	{"colorstream_redis_memory_bytes", "", 1 << 22},
	{"colorstream_ready", "program=generator,condition=redis", 2},
	{"colorstream_ready", "program=worker,condition=influxdb", 2},
	{"process_resident_memory_bytes", "program=worker", 1 << 27},
	{"process_resident_memory_bytes", "program=generator", 1 << 24},
	{"go_goroutines", "program=worker", 30},
	{"go_goroutines", "", 200},
	{"go_memstats_sys_bytes", "", 1 << 28},
}

var histograms = []struct{ name, labels string }{
	{"colorstream_worker_window_close_seconds", ""},
	{"colorstream_worker_write_seconds", ""},
	{"colorstream_worker_delivery_seconds", ""},
	{"http_api_request_duration_seconds", "path=/api/v2/write,status=2XX"},
	{"http_api_request_duration_seconds", "path=/api/v2/query,status=2XX"},
}

// Pipeline returns samples of the hour before end: messages that nobody heard
// and some that got lost, a worker that was restarted, an InfluxDB that was away
// for a minute, a spool that grows at the end.
func Pipeline(end time.Time) Samples {
	r := rand.New(rand.NewPCG(3, 4))
	var out Samples
	var published, unheard, received float64
	totals := map[string]float64{}
	steps := int(scraped / Scrape)
	for i := range steps {
		at := end.Add(-scraped + time.Duration(i)*Scrape + 3*time.Second)
		add := func(name, labels, field string, value float64) {
			out = append(out, Sample{name, labels, field, at, value})
		}
		grow := func(name, labels, field string, most int) {
			key := name + labels + field
			totals[key] += float64(r.IntN(most + 1))
			add(name, labels, field, totals[key])
		}
		n := float64(100 + r.IntN(100))
		published += n
		switch r.IntN(20) {
		case 0:
			unheard += n
		case 1:
			received += n - 7 // lost on the way
		default:
			received += n
		}
		restarted := i == steps-60 // ten minutes before the end
		if restarted {
			received, totals = 5, map[string]float64{}
		}
		if !end.Add(-8*time.Minute).After(at) && at.Before(end.Add(-7*time.Minute)) {
			continue // away
		}
		add("colorstream_generator_published_total", "", "counter", published)
		add("colorstream_generator_unheard_total", "", "counter", unheard)
		add("colorstream_worker_received_total", "", "counter", received)
		add("colorstream_worker_counted_total", "", "counter", received)
		for _, c := range counters {
			grow(c.name, c.labels, "counter", c.most)
		}
		for _, g := range gauges {
			add(g.name, g.labels, "gauge", float64(r.IntN(g.most)))
		}
		for _, h := range histograms {
			for b, bound := range bounds {
				totals[h.name+h.labels+bound] += float64(b * 3)
				add(h.name, h.labels, bound, totals[h.name+h.labels+bound])
			}
			add(h.name, h.labels, "sum", float64(i))
			add(h.name, h.labels, "count", float64(i))
		}
		started := end.Add(-2 * time.Hour)
		if i >= steps-60 {
			started = end.Add(-10*time.Minute - 5*time.Second)
		}
		add("process_start_time_seconds", "program=worker", "gauge", float64(started.Unix()))
		add("process_start_time_seconds", "program=generator", "gauge", float64(end.Add(-30*time.Hour).Unix()))
		add("influxdb_uptime_seconds", "id=x", "gauge", float64(i)*10)
		add("colorstream_ready", "program=worker,condition=redis", "gauge", float64(min(1, r.IntN(5))))
		add("colorstream_worker_spool_records", "", "gauge", float64(max(r.IntN(2), i-steps+20)))
		add("colorstream_worker_spool_max_bytes", "", "gauge", 1<<28)
		add("colorstream_worker_spool_disk_free_bytes", "", "gauge", float64(1<<28+r.IntN(1<<30)))
		add("colorstream_worker_event_ahead_seconds", "", "gauge", float64(r.IntN(20))-10)
		add("colorstream_build_info", "program=worker,version=v1,goversion=go1.26.8", "gauge", 1)
		add("colorstream_build_info", "program=generator,version=v1,goversion=go1.26.8", "gauge", 1)
		add("influxdb_info", "version=v2.8.0,os=linux", "gauge", 1)
	}
	return out
}

// Lines returns samples as line protocol.
func (s Samples) Lines() []byte {
	var out []byte
	for _, one := range s {
		name := one.Name
		if one.Labels != "" {
			name += "," + one.Labels
		}
		out = fmt.Appendf(out, "%s %s=%v %d\n", name, one.Field, one.Value, one.At.UnixNano())
	}
	return out
}
