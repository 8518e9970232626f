package main

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/service"
	"colorstream/generator/source"
)

// metrics shows the tally in Prometheus's form. The numbers are read when they are asked for.
func (g *generator) metrics() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	service.Register(r, "generator", g.health)
	add := func(name, help string, value func(publish.Counts) float64) {
		read := func() float64 { return value(g.publisher.Counts()) }
		o := prometheus.Opts{Name: "colorstream_generator_" + name, Help: help}
		if strings.HasSuffix(name, "_total") {
			r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts(o), read))
		} else {
			r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts(o), read))
		}
	}
	add("read_total", "Messages made or read, rejected ones among them.",
		func(publish.Counts) float64 { return float64(g.tally.Counts().Read) })
	add("published_total", "Messages that Redis has taken.",
		func(c publish.Counts) float64 { return float64(c.Published) })
	add("publish_errors_total", "Attempts to publish that failed.",
		func(c publish.Counts) float64 { return float64(c.Errors) })
	if g.config.Transport == publish.PubSub {
		add("no_subscribers_total", "Published messages that nobody received.",
			func(c publish.Counts) float64 { return float64(c.NoSubscribers) })
		add("unacknowledged_total", "Messages sent, but the connection broke before the answer.",
			func(c publish.Counts) float64 { return float64(c.Unacknowledged) })
		add("receivers", "Receivers of the newest message.",
			func(c publish.Counts) float64 { return float64(c.Receivers) })
	} else {
		add("stream_waiting", "Messages of this generator that the worker has not committed yet.",
			func(c publish.Counts) float64 { return float64(c.StreamWaiting) })
	}
	r.MustRegister(prometheus.CollectorFunc(g.rejections))
	return r
}

var rejectedDesc = prometheus.NewDesc("colorstream_generator_rejected_total",
	"Lines of the input that are no messages.", []string{"reason"}, nil)

// rejections collects a counter for each reason, also for those that have not occurred: the first
// rejection is to be seen as a step.
func (g *generator) rejections(metrics chan<- prometheus.Metric) {
	rejected := g.tally.Counts().Reasons
	reasons := append(message.Reasons(), source.Columns, source.Quotes, source.TooLong)
	for _, reason := range reasons {
		metrics <- prometheus.MustNewConstMetric(rejectedDesc,
			prometheus.CounterValue, float64(rejected[reason]), string(reason))
	}
}
