package main

import (
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
	totals   totals

	closeSeconds, commitSeconds, writeSeconds, delivery prometheus.Histogram

	written, dropped, commitErrors, letters prometheus.Counter
	lost, takeovers, fenced                 prometheus.Counter
	rejected, writeErrors                   *prometheus.CounterVec
	lastWrite                               prometheus.Gauge
	lettersLost                             atomic.Int64
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
	registry.MustRegister(tallyCollector{&m.totals})
	return m
}

// LettersWritten implements deadletter.Observer.
func (m *metrics) LettersWritten(n int) { m.letters.Add(float64(n)) }

// LettersDropped implements deadletter.Observer.
func (m *metrics) LettersDropped(n int) { m.lettersLost.Add(int64(n)) }

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

func (m *metrics) delivered(waited time.Duration) { m.delivery.Observe(max(0, waited.Seconds())) }

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
		func() float64 { return float64(m.lettersLost.Load()) + float64(stats().DroppedLetters) })
	m.counter("store_damaged_total", "Files of the store that were found damaged or removed.",
		func() float64 { return float64(stats().Damaged) })
}

// watchPartitions registers whose partitions are.
func (m *metrics) watchPartitions(p *partitions) {
	m.registry.MustRegister(partitionCollector{p})
}

// watchPubSub registers what only Pub/Sub's worker has: a connection to keep, and a disk. What of
// the disk cannot be asked is left out.
func (m *metrics) watchPubSub(cfg config, reconnects, uncommitted func() float64) {
	m.counter("reconnects_total", "How often Redis was connected again after it was lost.", reconnects)
	m.gauge("uncommitted_bytes", "Bytes of lines that wait in memory for the store.", uncommitted)
	m.gauge("store_max_bytes", "The most bytes that may wait in the store, WORKER_MAX_BYTES.",
		func() float64 { return float64(cfg.MaxBytes) })
	free, size := diskSpace(cfg.DataDir)
	if size == 0 {
		return
	}
	m.gauge("store_disk_bytes", "Size of the file system that the store is on.", func() float64 {
		_, size = diskSpace(cfg.DataDir)
		return float64(size)
	})
	m.gauge("store_disk_free_bytes", "What is free of it for the worker.", func() float64 {
		if now, size := diskSpace(cfg.DataDir); size > 0 {
			free = now
		}
		return float64(free)
	})
}

// diskSpace is the free and the whole space of a folder's file system, 0 and 0 if it cannot be
// asked.
func diskSpace(dir string) (free, size uint64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0
	}
	block := uint64(s.Bsize) //nolint:unconvert // its type differs from system to system
	return s.Bavail * block, s.Blocks * block
}

// A tallyCollector turns the totals, taken at one moment, into metrics, so that they add up.
type tallyCollector struct{ totals *totals }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	receivedDesc = desc("received_total", "Messages received: accepted or rejected.")
	acceptedDesc = desc("accepted_total", "Messages that are in a window.")
	rejectedDesc = desc("rejected_total", "Messages that are in no window, by reason.", "reason")
	lateDesc     = desc("late_total",
		"Messages whose window was final; they are among the rejected.")
	closedDesc     = desc("windows_closed_total", "Windows written when they ended.")
	correctedDesc  = desc("windows_corrected_total", "Windows written again, with late messages.")
	incompleteDesc = desc("windows_incomplete_total",
		"Windows that may miss messages, when they ended.")
	newestDesc = desc("newest_message_timestamp_seconds",
		"Source time of the newest message, Unix time.")
	aheadDesc = desc("event_ahead_seconds",
		"How far the newest message's own time (ts) was ahead of source time, negative if behind; "+
			"absent if none came for a minute.")
)

// aheadFor is how long the newest message's clock is shown.
const aheadFor = time.Minute

// Describe implements prometheus.Collector.
func (c tallyCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		receivedDesc, acceptedDesc, rejectedDesc, lateDesc, closedDesc, correctedDesc,
		incompleteDesc, newestDesc, aheadDesc,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c tallyCollector) Collect(out chan<- prometheus.Metric) {
	t := c.totals.get()
	counter := func(d *prometheus.Desc, value int64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	counter(receivedDesc, t.received())
	counter(acceptedDesc, t.accepted)
	for _, reason := range reasons() { // all, so that the first one is a step
		counter(rejectedDesc, t.rejected[reason], string(reason))
	}
	counter(lateDesc, t.rejected[late])
	counter(closedDesc, t.closed)
	counter(correctedDesc, t.corrected)
	counter(incompleteDesc, t.incomplete)
	if t.newest > 0 {
		out <- prometheus.MustNewConstMetric(newestDesc, prometheus.GaugeValue, float64(t.newest)/1e9)
	}
	if time.Since(time.Unix(0, t.aheadAt)) < aheadFor {
		out <- prometheus.MustNewConstMetric(aheadDesc, prometheus.GaugeValue, float64(t.ahead)/1e9)
	}
}
