package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/service"
	"colorstream/generator/source"
)

// metrics shows the tally in Prometheus's form. The numbers are read when they are asked for.
func (g *generator) metrics() prometheus.Gatherer {
	r := service.NewRegistry("generator")
	service.WatchHealth(r, "generator", g.health)
	counter := func(name, help string, value func(publish.Counts) uint64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "colorstream_generator_" + name, Help: help},
			func() float64 { return float64(value(g.publisher.Counts())) }))
	}
	gauge := func(name, help string, value func(publish.Counts) int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "colorstream_generator_" + name, Help: help},
			func() float64 { return float64(value(g.publisher.Counts())) }))
	}
	counter("published_total", "Messages that Redis has taken.",
		func(c publish.Counts) uint64 { return c.Published })
	counter("publish_errors_total", "Attempts to publish that failed.",
		func(c publish.Counts) uint64 { return c.Errors })
	if g.config.Transport == publish.PubSub {
		counter("no_subscribers_total", "Published messages that nobody received.",
			func(c publish.Counts) uint64 { return c.NoSubscribers })
		counter("unacknowledged_total", "Messages sent, but the connection broke before the answer.",
			func(c publish.Counts) uint64 { return c.Unacknowledged })
		gauge("receivers", "Receivers of the newest message.",
			func(c publish.Counts) int64 { return c.Receivers })
	} else {
		gauge("stream_waiting", "Messages of this generator that the worker has not committed yet.",
			func(c publish.Counts) int64 { return c.StreamWaiting })
	}
	r.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "colorstream_generator_read_total", Help: "Messages made or read, rejected ones among them.",
		}, func() float64 { return float64(g.tally.ReadTotal()) }),
		rejections{g},
	)
	return r
}

// rejections collects a counter for each reason.
type rejections struct{ g *generator }

var rejectedDesc = prometheus.NewDesc("colorstream_generator_rejected_total",
	"Lines of the input that are no messages.",
	[]string{"reason"}, nil)

func (rejections) Describe(descs chan<- *prometheus.Desc) { descs <- rejectedDesc }

func (r rejections) Collect(metrics chan<- prometheus.Metric) {
	rejected := r.g.tally.Rejected()
	for _, reason := range append(message.Reasons(), source.Columns, source.Quotes, source.TooLong) { // those without any too, so that the first one is seen as a step
		metrics <- prometheus.MustNewConstMetric(rejectedDesc,
			prometheus.CounterValue, float64(rejected[reason]), string(reason))
	}
}
