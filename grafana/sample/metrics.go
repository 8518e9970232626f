package sample

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// A Sample is one number of a program's metrics, as InfluxDB's scrapers write it: a counter, a
// gauge, or one bound of a histogram.
type Sample struct {
	Series string // name and tags, as in line protocol: name,reason=late,…
	Field  string
	At     time.Time
	Value  float64
}

// Samples are in order of time.
type Samples []Sample

// Scrape is how often programs are read.
const Scrape = 10 * time.Second

// length is how much Metrics covers.
const length = time.Hour

// metrics are what programs have besides what Metrics says of them. A counter grows by itself, by
// at most so much between two samples; a gauge goes up and down, up to a most; a histogram has
// bounds.
var metrics = []struct {
	kind   string
	most   int
	series string
}{
	{"counter", 3, "colorstream_worker_rejected_total,reason=not_json"},
	{"counter", 2, "colorstream_worker_rejected_total,reason=late"},
	{"counter", 1, "colorstream_worker_rejected_total,reason=past"},
	{"counter", 2, "colorstream_worker_late_total"},
	{"counter", 1, "colorstream_worker_lost_total"},
	{"counter", 2, "colorstream_worker_windows_incomplete_total"},
	{"counter", 2, "colorstream_worker_reconnects_total"},
	{"counter", 3, "colorstream_worker_write_errors_total,class=network"},
	{"counter", 2, "colorstream_worker_write_errors_total,class=server"},
	{"counter", 2, "colorstream_worker_commit_errors_total"},
	{"counter", 2, "colorstream_worker_points_rejected_total"},
	{"counter", 2, "colorstream_worker_store_dropped_total"},
	{"counter", 1, "colorstream_worker_takeovers_total"},
	{"counter", 1, "colorstream_worker_fenced_commits_total"},
	{"counter", 5, "http_api_requests_total,method=POST,path=/api/v2/write,response_code=204,status=2XX"},
	{"counter", 2, "http_api_requests_total,method=POST,path=/api/v2/write,response_code=503,status=5XX"},
	{"counter", 30, "http_api_requests_total,method=POST,path=/api/v2/query,response_code=200,status=2XX"},
	{"gauge", 3, "colorstream_generator_receivers"},
	{"gauge", 2, "colorstream_ready,program=generator,condition=redis"},
	{"gauge", 2, "colorstream_ready,program=worker,condition=redis"},
	{"gauge", 2, "colorstream_ready,program=worker,condition=influxdb"},
	{"gauge", 5, "colorstream_worker_store_waiting"},
	{"gauge", 60, "colorstream_worker_store_oldest_seconds"},
	{"gauge", 1 << 20, "colorstream_worker_store_bytes"},
	{"gauge", 1 << 30, "colorstream_worker_store_disk_free_bytes"},
	{"gauge", 2, "colorstream_worker_partition_owned,partition=0"},
	{"gauge", 2, "colorstream_worker_partition_owned,partition=1"},
	{"gauge", 100, "colorstream_worker_partition_backlog_messages,partition=0"},
	{"gauge", 5, "colorstream_worker_partition_backlog_messages,partition=1"},
	{"gauge", 20, "colorstream_worker_partition_lag_seconds,partition=0"},
	{"gauge", 2, "colorstream_worker_partition_lag_seconds,partition=1"},
	{"gauge", 1 << 27, "process_resident_memory_bytes,program=worker"},
	{"gauge", 1 << 24, "process_resident_memory_bytes,program=generator"},
	{"gauge", 30, "go_goroutines,program=worker"},
	{"gauge", 1 << 28, "go_memstats_sys_bytes"},
	{"gauge", 2, "colorstream_build_info,program=worker,version=v1,goversion=go1.26.8"},
	{"gauge", 2, "colorstream_build_info,program=generator,version=v1,goversion=go1.26.8"},
	{"gauge", 2, "influxdb_info,version=v2.8.0,os=linux"},
	{"histogram", 0, "colorstream_worker_window_close_seconds"},
	{"histogram", 0, "colorstream_worker_commit_seconds"},
	{"histogram", 0, "colorstream_worker_write_seconds"},
	{"histogram", 0, "colorstream_worker_delivery_seconds"},
	{"histogram", 0, "http_api_request_duration_seconds,path=/api/v2/write,status=2XX"},
	{"histogram", 0, "http_api_request_duration_seconds,path=/api/v2/query,status=2XX"},
}

// Metrics returns samples of the hour before end: messages that nobody received and some that were
// lost, a worker that was killed ten minutes before the end, an InfluxDB that was away for a
// minute.
func Metrics(end time.Time) Samples {
	r := rand.New(rand.NewPCG(3, 4))
	var out Samples
	var published, noSubscribers, received float64
	totals := map[string]float64{}
	started := end.Add(-2 * time.Hour)
	for i := range int(length / Scrape) {
		at := end.Add(-length + time.Duration(i)*Scrape + 3*time.Second)
		add := func(series, field string, value float64) {
			out = append(out, Sample{series, field, at, value})
		}
		n := float64(100 + r.IntN(100))
		published += n
		switch r.IntN(20) {
		case 0:
			noSubscribers += n
		case 1:
			received += n - 7 // lost on the way
		default:
			received += n
		}
		if i == int((length-10*time.Minute)/Scrape) {
			received, totals, started = 5, map[string]float64{}, at.Add(-5*time.Second)
		}
		if away := end.Add(-8 * time.Minute); !at.Before(away) && at.Before(away.Add(time.Minute)) {
			continue
		}
		add("colorstream_generator_published_total", "counter", published)
		add("colorstream_generator_no_subscribers_total", "counter", noSubscribers)
		add("colorstream_worker_received_total", "counter", received)
		add("colorstream_worker_accepted_total", "counter", received)
		for _, m := range metrics {
			switch {
			case m.kind == "counter":
				if m.most > 3 || r.IntN(20) == 0 { // troubles are rare
					totals[m.series] += float64(1 + r.IntN(m.most))
				}
				add(m.series, "counter", totals[m.series])
			case m.kind == "histogram":
				for b, bound := range []string{"0.001", "0.01", "0.1", "1", "+Inf", "sum", "count"} {
					totals[m.series+bound] += float64(b * 3)
					add(m.series, bound, totals[m.series+bound])
				}
			case m.most == 2: // of zero and one, one for the most time
				add(m.series, "gauge", min(1, float64(r.IntN(60))))
			default:
				add(m.series, "gauge", float64(r.IntN(m.most)))
			}
		}
		add("process_start_time_seconds,program=worker", "gauge", float64(started.Unix()))
		add("process_start_time_seconds,program=generator", "gauge",
			float64(end.Add(-30*time.Hour).Unix()))
		add("influxdb_uptime_seconds,id=x", "gauge", float64(i)*10)
		add("colorstream_worker_store_max_bytes", "gauge", 1<<28)
		add("colorstream_worker_event_ahead_seconds", "gauge", float64(r.IntN(14))-10)
	}
	return out
}

// Lines returns samples as line protocol.
func (s Samples) Lines() []byte {
	var out []byte
	for _, one := range s {
		out = fmt.Appendf(out, "%s %s=%v %d\n", one.Series, one.Field, one.Value, one.At.UnixNano())
	}
	return out
}
