package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/message"
	"colorstream/worker/aside"
	"colorstream/worker/influx"
	"colorstream/worker/pipeline"
	"colorstream/worker/source"
	"colorstream/worker/spool"
)

// metrics are the worker's figures for /metrics. Those that the parts count themselves are read when asked for.
type metrics struct {
	registry *prometheus.Registry

	closeSeconds prometheus.Histogram
	writeSeconds prometheus.Histogram
	delivery     prometheus.Histogram
	written      prometheus.Counter
	quarantined  prometheus.Counter
	writeErrors  *prometheus.CounterVec
	lastWrite    prometheus.Gauge
}

const namespace = "colorstream_worker"

func newMetrics(registry *prometheus.Registry) *metrics {
	name := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: namespace, Name: name, Help: help}
	}
	m := &metrics{
		registry: registry,
		closeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "window_close_seconds",
			Help:    "Time from the end of a window to its lines being made.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 9), // 0.1 ms to 6.5 s
		}),
		writeSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "write_seconds",
			Help:    "Time of one write to InfluxDB, whether it succeeded or not.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2.5, 11), // 1 ms to 9.5 s
		}),
		delivery: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "delivery_seconds",
			Help:    "Time from a record's storing in the spool to InfluxDB's acknowledgement; an outage shows here afterwards.",
			Buckets: prometheus.ExponentialBuckets(0.005, 2, 25), // 5 ms to 23 h
		}),
		written:     prometheus.NewCounter(prometheus.CounterOpts(name("points_written_total", "Points that InfluxDB has acknowledged."))),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts(name("points_quarantined_total", "Points that InfluxDB refused and that were put into quarantine."))),
		writeErrors: prometheus.NewCounterVec(prometheus.CounterOpts(name("write_errors_total", "Failed writes to InfluxDB, by class.")), []string{"class"}),
		lastWrite:   prometheus.NewGauge(prometheus.GaugeOpts(name("last_write_timestamp_seconds", "When InfluxDB last acknowledged a write, Unix time."))),
	}
	for _, class := range influx.Classes { // a counter that appears only with its first failure hides that one
		m.writeErrors.WithLabelValues(string(class))
	}
	registry.MustRegister(m.closeSeconds, m.writeSeconds, m.delivery, m.written, m.quarantined, m.writeErrors, m.lastWrite)
	return m
}

func (m *metrics) closeTime(d time.Duration) { m.closeSeconds.Observe(d.Seconds()) }

// Written implements influx.Observer.
func (m *metrics) Written(lines int) {
	m.written.Add(float64(lines))
	m.lastWrite.SetToCurrentTime()
}

// Answered implements influx.Observer.
func (m *metrics) Answered(took time.Duration, class influx.Class) {
	m.writeSeconds.Observe(took.Seconds())
	if class != "" {
		m.writeErrors.WithLabelValues(string(class)).Inc()
	}
}

// Quarantined implements influx.Observer.
func (m *metrics) Quarantined(lines int) { m.quarantined.Add(float64(lines)) }

// Sent implements influx.Observer.
func (m *metrics) Sent(at time.Time) { m.delivery.Observe(max(0, time.Since(at).Seconds())) }

// gauge and counter register a figure that is read when asked for.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
}

func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, value))
}

func (m *metrics) watchStream(s *source.Stream) {
	m.gauge("stream_entries", "Entries in the Redis stream when it was last measured.", func() float64 { return float64(s.Length()) })
	m.gauge("stream_over_limit", "1 while the Redis stream has more entries than it should.", func() float64 {
		if s.Length() > source.MaxBacklog {
			return 1
		}
		return 0
	})
}

func (m *metrics) watch(r *pipeline.Receiver, s *pipeline.Store, q *spool.Spool, k *aside.Keeper, messages messageSource) {
	m.registry.MustRegister(receiverCollector{r, s})
	m.counter("reconnects_total", "How often Redis was heard again after it was lost.", func() float64 { return float64(messages.Reconnects()) })
	m.counter("rejected_unkept_total", "Refused messages that could not be kept aside.", func() float64 { return float64(k.Missed()) })
	m.counter("points_dropped_total", "Points lost because the disk did not take them.", func() float64 { return float64(s.Dropped()) })
	m.gauge("unstored_bytes", "Lines that wait in memory for the disk.", func() float64 { return float64(s.Waiting()) })
	m.gauge("spool_bytes", "Size of the spool's files.", func() float64 { return float64(q.Stats().Bytes) })
	m.gauge("spool_records", "Records that wait in the spool.", func() float64 { return float64(q.Stats().Records) })
	m.counter("spool_dropped_total", "Records that the spool dropped because it was full.", func() float64 { return float64(q.Stats().Dropped) })
	m.counter("spool_damaged_total", "Places in the spool that could not be read.", func() float64 { return float64(q.Stats().Damaged) })
	m.gauge("spool_oldest_seconds", "Age of the oldest record in the spool.", func() float64 {
		oldest := q.Stats().Oldest
		if oldest.IsZero() {
			return 0
		}
		return time.Since(oldest).Seconds()
	})
}

// A receiverCollector turns the receiver's counts, taken at one moment, into metrics, so that they add up.
type receiverCollector struct {
	receiver *pipeline.Receiver
	store    *pipeline.Store
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	receivedDesc   = desc("received_total", "Messages received: counted, known already, or rejected.")
	countedDesc    = desc("counted_total", "Messages that are in a window.")
	forgottenDesc  = desc("forgotten_total", "Messages counted, and lost with the windows of a worker that was killed.")
	againDesc      = desc("known_total", "Messages that came again after a restart and were in a window already.")
	rejectedDesc   = desc("rejected_total", "Messages that are in no window, by reason.", "reason")
	lateDesc       = desc("late_total", "Messages whose window had closed; they are among the rejected.")
	closedDesc     = desc("windows_closed_total", "Windows closed.")
	incompleteDesc = desc("windows_incomplete_total", "Windows closed that were not heard from start to end.")
	newestDesc     = desc("newest_message_timestamp_seconds", "Time of the newest message, Unix time.")
	aheadDesc      = desc("event_ahead_seconds",
		"How far the newest message's own time (ts) was ahead of the clock, negative if behind; absent if none came for a minute.")
)

// aheadFor is how long the newest message's clock is shown.
const aheadFor = time.Minute

// reasons are all that a message can be refused for: a counter that appears only with its first message hides that one.
var reasons = append(message.Reasons(), pipeline.Late, pipeline.Future, pipeline.TooManyColors)

// Describe implements prometheus.Collector.
func (c receiverCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		receivedDesc, countedDesc, forgottenDesc, againDesc, rejectedDesc, lateDesc, closedDesc, incompleteDesc, newestDesc, aheadDesc,
	} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c receiverCollector) Collect(out chan<- prometheus.Metric) {
	n := c.receiver.Counts()
	_ = c.store.Shown(n) // a disk that does not take it has its own alarms
	counter := func(d *prometheus.Desc, value uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	counter(receivedDesc, n.Received)
	counter(countedDesc, n.Counted)
	counter(forgottenDesc, n.Forgotten)
	counter(againDesc, n.Again)
	for _, reason := range reasons {
		counter(rejectedDesc, n.Refused[reason], string(reason))
	}
	counter(lateDesc, n.Refused[pipeline.Late])
	counter(closedDesc, n.Closed)
	counter(incompleteDesc, n.Incomplete)
	if !n.Newest.IsZero() {
		out <- prometheus.MustNewConstMetric(newestDesc, prometheus.GaugeValue, float64(n.Newest.UnixNano())/1e9)
	}
	if time.Since(n.AheadAt) < aheadFor {
		out <- prometheus.MustNewConstMetric(aheadDesc, prometheus.GaugeValue, n.Ahead.Seconds())
	}
}
