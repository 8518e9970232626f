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

	written, commitErrors, letters, lost, takeovers, fenced prometheus.Counter

	rejected, writeErrors   *prometheus.CounterVec // by class
	owned, backlog, lag     *prometheus.GaugeVec   // by partition, of a stream
	lastWrite               prometheus.Gauge
	dropped, lettersDropped atomic.Int64 // without a store
}

func newMetrics(registry prometheus.Registerer) *metrics {
	registry = prometheus.WrapRegistererWithPrefix("colorstream_worker_", registry)
	factory := promauto.With(registry)
	counter := func(name, help string) prometheus.Counter {
		return factory.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	histogram := func(name, help string, first, factor float64, n int) prometheus.Histogram {
		return factory.NewHistogram(prometheus.HistogramOpts{
			Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(first, factor, n),
		})
	}
	classes := func(name, help string, values ...influx.Class) *prometheus.CounterVec {
		v := factory.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"class"})
		for _, value := range values { // a counter that appears only with its first event hides that one
			v.WithLabelValues(string(value))
		}
		return v
	}
	partitions := func(name, help string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, []string{"partition"})
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
		written:      counter("points_written_total", "Points that InfluxDB has acknowledged."),
		commitErrors: counter("commit_errors_total", "Commits that failed; they are tried again."),
		letters:      counter("dead_letters_total", "Dead letters that Redis has taken."),
		lost:         counter("lost_total", "Stream entries that others deleted before they were read."),
		takeovers:    counter("takeovers_total", "Partitions that this worker has taken."),
		fenced: counter("fenced_commits_total",
			"Partitions lost to another owner, which a commit or the lease found out."),
		rejected: classes("points_rejected_total",
			"Points that InfluxDB will never take, by class. Those that are not too_old are dead letters.",
			influx.Rejected, influx.TooOld, influx.TooLarge),
		writeErrors: classes("write_errors_total", "Failed writes to InfluxDB, by class.",
			influx.Classes...),
		owned: partitions("partition_owned", "1 if the partition is this worker's, else 0."),
		backlog: partitions("partition_backlog_messages",
			"Messages of the partition's stream that are in no commit yet, about, of its owner."),
		lag: partitions("partition_lag_seconds",
			"Seconds from the last commit's entry to the newest one, of the partition's owner."),
		lastWrite: factory.NewGauge(prometheus.GaugeOpts{
			Name: "last_write_timestamp_seconds",
			Help: "When InfluxDB last acknowledged a write, Unix time.",
		}),
	}
	m.watch(m.showTally)
	return m
}

// A show puts one figure into an answer.
type show func(name, help string, value float64, reason ...string)

// watch registers figures that are read whenever somebody asks for them.
func (m *metrics) watch(read func(gauge, counter show)) {
	m.registry.MustRegister(prometheus.CollectorFunc(func(out chan<- prometheus.Metric) {
		of := func(kind prometheus.ValueType) show {
			return func(name, help string, value float64, reason ...string) {
				desc := prometheus.NewDesc(name, help, []string{"reason"}[:len(reason)], nil)
				out <- prometheus.MustNewConstMetric(desc, kind, value, reason...)
			}
		}
		read(of(prometheus.GaugeValue), of(prometheus.CounterValue))
	}))
}

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

// aheadFor is how long the newest message's clock is shown.
const aheadFor = time.Minute

// showTally shows the tally of one moment, so that it adds up: a replay's exit status goes by it.
func (m *metrics) showTally(gauge, counter show) {
	t := m.counted()
	counter("received_total", "Messages received: accepted or rejected.", float64(t.received()))
	counter("accepted_total", "Messages that are in a window.", float64(t.accepted))
	for _, reason := range reasons() { // all, so that the first one is a step
		counter("rejected_total", "Messages that are in no window, by reason.",
			float64(t.rejected[reason]), string(reason))
	}
	counter("late_total", "Messages whose window was final; they are among the rejected.",
		float64(t.rejected[late]))
	counter("windows_closed_total", "Windows written when they ended.", float64(t.closed))
	counter("windows_incomplete_total", "Windows that may miss messages, when they ended.",
		float64(t.incomplete))
	if time.Since(time.Unix(0, t.aheadAt)) < aheadFor {
		gauge("event_ahead_seconds",
			"How far the newest message's own time (ts) was ahead of source time, negative if behind; "+
				"absent if none came for a minute.", float64(t.ahead)/1e9)
	}
}

// watchStore shows what a store holds.
func (m *metrics) watchStore(stats func() store.Stats) {
	m.watch(func(gauge, counter show) {
		s, oldest := stats(), time.Duration(0)
		if !s.Oldest.IsZero() {
			oldest = time.Since(s.Oldest)
		}
		gauge("store_bytes", "Bytes of batches that wait in the store.", float64(s.Bytes))
		gauge("store_waiting", "Batches of lines that wait for InfluxDB.", float64(s.Batches))
		gauge("store_oldest_seconds", "Age of the oldest batch that waits for InfluxDB.",
			oldest.Seconds())
		counter("store_dropped_total",
			"Points dropped because the store was full or damaged, or took nothing for too long.",
			float64(m.dropped.Load())+float64(s.DroppedPoints))
		counter("dead_letters_dropped_total",
			"Dead letters that could not be kept; their messages are counted as rejected.",
			float64(m.lettersDropped.Load())+float64(s.DroppedLetters))
		counter("store_damaged_total", "Files of the store that were found damaged or removed.",
			float64(s.Damaged))
	})
}

// watchPubSub shows what only Pub/Sub's worker has: a connection to keep, and a disk.
func (m *metrics) watchPubSub(cfg config, reconnects func() uint64) {
	m.watch(func(gauge, counter show) {
		counter("reconnects_total", "How often Redis was connected again after it was lost.",
			float64(reconnects()))
		gauge("store_max_bytes", "The most bytes that may wait in the store, WORKER_MAX_BYTES.",
			float64(cfg.MaxBytes))
		var disk syscall.Statfs_t
		if syscall.Statfs(cfg.DataDir, &disk) == nil { // not every file system tells
			gauge("store_disk_free_bytes",
				"What is free for the worker of the file system of the store.",
				float64(disk.Bavail)*float64(disk.Bsize))
		}
	})
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
