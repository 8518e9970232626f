package main

import (
	"maps"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"colorstream/worker/influx"
	"colorstream/worker/store"
)

// metrics are the worker's figures for /metrics.
type metrics struct {
	registry prometheus.Registerer

	mu    sync.Mutex // guards total
	total tally

	closeSeconds, commitSeconds, writeSeconds, delivery prometheus.Histogram

	written, dropped, commitErrors, letters prometheus.Counter
	lost, takeovers, fenced                 prometheus.Counter
	rejected, writeErrors                   *prometheus.CounterVec
	lastWrite                               prometheus.Gauge
	lettersDropped                          atomic.Int64
	owned, backlog, lag                     *prometheus.GaugeVec // by partition
}

const namespace = "colorstream_worker"

func newMetrics(registry prometheus.Registerer) *metrics {
	factory := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return factory.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
	}
	histogram := func(name, help string, first, factor float64, n int) prometheus.Histogram {
		return factory.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(first, factor, n),
		})
	}
	vector := func(name, help, label string, values ...influx.Class) *prometheus.CounterVec {
		v := factory.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help},
			[]string{label})
		for _, value := range values { // a counter that appears only with its first event hides that one
			v.WithLabelValues(string(value))
		}
		return v
	}
	m := &metrics{
		registry: registry,
		closeSeconds: histogram("window_close_seconds",
			// to 6.5 s
			"Seconds from a window's end being known to its lines being computed.", 0.0001, 4, 9),
		commitSeconds: histogram("commit_seconds",
			"Seconds that one commit took, whether it succeeded or not.", 0.0001, 4, 9),
		writeSeconds: histogram("write_seconds",
			// to 9.5 s
			"Seconds that one write to InfluxDB took, whether it succeeded or not.", 0.001, 2.5, 11),
		delivery: histogram("delivery_seconds",
			// to 23 h
			"Seconds from a commit to InfluxDB's acknowledgement; an outage shows here afterwards.",
			0.005, 2, 25),
		written: counter("points_written_total", "Points that InfluxDB has acknowledged."),
		dropped: counter("points_dropped_total",
			"Points lost because the store did not take them for too long."),
		commitErrors: counter("commit_errors_total", "Commits that failed; they are tried again."),
		letters:      counter("dead_letters_total", "Dead letters that Redis has taken."),
		lost:         counter("lost_total", "Stream entries that others deleted before they were read."),
		takeovers:    counter("takeovers_total", "Partitions that this worker has taken."),
		fenced: counter("fenced_commits_total",
			"Partitions lost to another owner, which a commit or the lease found out."),
		rejected: vector("points_rejected_total",
			"Points that InfluxDB will never take, by class. Those that are not too_old are dead letters.",
			"class", influx.Rejected, influx.TooOld, influx.TooLarge),
		writeErrors: vector("write_errors_total", "Failed writes to InfluxDB, by class.", "class",
			influx.Classes...),
		lastWrite: factory.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "last_write_timestamp_seconds",
			Help: "When InfluxDB last acknowledged a write, Unix time.",
		}),
	}
	registry.MustRegister(prometheus.CollectorFunc(m.collect))
	return m
}

// gauges registers a gauge for each value of the labels.
func gauges(factory promauto.Factory, name, help string, labels ...string) *prometheus.GaugeVec {
	o := prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
	return factory.NewGaugeVec(o, labels)
}

// aheadFor is how long the newest message's clock is shown.
const aheadFor = time.Minute

// count adds what became of messages and windows.
func (m *metrics) count(t *tally) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total.add(t)
}

func (m *metrics) counted() tally {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.total
	t.rejected = maps.Clone(t.rejected)
	return t
}

// collect shows the tally of one moment, so that it adds up: a replay's exit status goes by it.
func (m *metrics) collect(out chan<- prometheus.Metric) {
	t := m.counted()
	show := func(kind prometheus.ValueType, name, help string, value float64, reason ...string) {
		desc := prometheus.NewDesc(namespace+"_"+name, help, []string{"reason"}[:len(reason)], nil)
		out <- prometheus.MustNewConstMetric(desc, kind, value, reason...)
	}
	counter := func(name, help string, value int64, reason ...string) {
		show(prometheus.CounterValue, name, help, float64(value), reason...)
	}
	counter("received_total", "Messages received: accepted or rejected.", t.received())
	counter("accepted_total", "Messages that are in a window.", t.accepted)
	for _, reason := range reasons() { // all, so that the first one is a step
		counter("rejected_total", "Messages that are in no window, by reason.", t.rejected[reason],
			string(reason))
	}
	counter("late_total", "Messages whose window was final; they are among the rejected.",
		t.rejected[late])
	counter("windows_closed_total", "Windows written when they ended.", t.closed)
	counter("windows_incomplete_total", "Windows that may miss messages, when they ended.",
		t.incomplete)
	if time.Since(time.Unix(0, t.aheadAt)) < aheadFor {
		show(prometheus.GaugeValue, "event_ahead_seconds",
			"How far the newest message's own time (ts) was ahead of source time, negative if behind; "+
				"absent if none came for a minute.", float64(t.ahead)/1e9)
	}
}

func (m *metrics) dropLetters(n int) { m.lettersDropped.Add(int64(n)) }

// Answered implements influx.Observer.
func (m *metrics) Answered(took time.Duration, class influx.Class) {
	m.writeSeconds.Observe(took.Seconds())
	if class != "" {
		m.writeErrors.WithLabelValues(string(class)).Inc()
	}
}

// Written implements influx.Observer.
func (m *metrics) Written(points int) {
	m.written.Add(float64(points))
	m.lastWrite.SetToCurrentTime()
}

// Rejected implements influx.Observer.
func (m *metrics) Rejected(points int, class influx.Class) {
	m.rejected.WithLabelValues(string(class)).Add(float64(points))
}

// gauge and counter register a figure that is read when asked for.
func (m *metrics) gauge(name, help string, value func() float64) {
	o := prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}
	m.registry.MustRegister(prometheus.NewGaugeFunc(o, value))
}

func (m *metrics) counter(name, help string, value func() float64) {
	o := prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}
	m.registry.MustRegister(prometheus.NewCounterFunc(o, value))
}

// watchStore registers what a store holds.
func (m *metrics) watchStore(stats func() store.Stats) {
	m.gauge("store_bytes", "Bytes of batches that wait in the store.",
		func() float64 { return float64(stats().Bytes) })
	m.gauge("store_waiting", "Batches of lines that wait for InfluxDB.",
		func() float64 { return float64(stats().Batches) })
	m.gauge("store_oldest_seconds", "Age of the oldest batch that waits for InfluxDB.",
		func() float64 {
			oldest := stats().Oldest
			if oldest.IsZero() {
				return 0
			}
			return time.Since(oldest).Seconds()
		})
	m.counter("store_dropped_total", "Points that the store dropped because it was full or damaged.",
		func() float64 { return float64(stats().DroppedPoints) })
	m.counter("dead_letters_dropped_total",
		"Dead letters that could not be kept; their messages are counted as rejected.",
		func() float64 { return float64(m.lettersDropped.Load()) + float64(stats().DroppedLetters) })
	m.counter("store_damaged_total", "Files of the store that were found damaged or removed.",
		func() float64 { return float64(stats().Damaged) })
}

// watchPartitions registers whose partitions are, and how far behind.
func (m *metrics) watchPartitions(keys []string) {
	factory := promauto.With(m.registry)
	m.owned = gauges(factory, "partition_owned", "1 if the partition is this worker's, else 0.",
		"partition")
	m.backlog = gauges(factory, "partition_backlog_messages",
		"Messages of the partition's stream that are in no commit yet, about, of its owner.", "partition")
	m.lag = gauges(factory, "partition_lag_seconds",
		"Seconds from the last commit's entry to the newest one, of the partition's owner.", "partition")
	for _, key := range keys {
		m.owned.WithLabelValues(key).Set(0)
	}
}

// watchPubSub registers what only Pub/Sub's worker has: a connection to keep, and a disk. What of
// the disk cannot be asked is left out.
func (m *metrics) watchPubSub(cfg config, reconnects func() float64) {
	m.counter("reconnects_total", "How often Redis was connected again after it was lost.", reconnects)
	m.gauge("store_max_bytes", "The most bytes that may wait in the store, WORKER_MAX_BYTES.",
		func() float64 { return float64(cfg.MaxBytes) })
	free, ok := diskFree(cfg.DataDir)
	if !ok {
		return
	}
	m.gauge("store_disk_free_bytes", "What is free for the worker of the file system of the store.",
		func() float64 {
			if now, ok := diskFree(cfg.DataDir); ok {
				free = now
			}
			return free
		})
}

// diskFree is the free space of a folder's file system, if that can be asked.
func diskFree(dir string) (bytes float64, ok bool) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	return float64(s.Bavail) * float64(s.Bsize), err == nil
}
