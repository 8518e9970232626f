package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"colorstream/generator/publish"
)

// metrics shows the ledger in Prometheus's form. The numbers are read when they are asked for.
func (g *generator) metrics() prometheus.Gatherer {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, value func(publish.Counts) uint64) {
		r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "colorstream_generator_" + name, Help: help},
			func() float64 { return float64(value(g.publisher.Counts())) }))
	}
	gauge := func(name, help string, value func(publish.Counts) int64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "colorstream_generator_" + name, Help: help},
			func() float64 { return float64(value(g.publisher.Counts())) }))
	}
	counter("published_total", "Messages that Redis has taken.", func(c publish.Counts) uint64 { return c.Published })
	counter("publish_errors_total", "Attempts to publish that failed.", func(c publish.Counts) uint64 { return c.Errors })
	if g.config.Transport == publish.PubSub {
		counter("unheard_total", "Published messages that nobody received.", func(c publish.Counts) uint64 { return c.Unheard })
		counter("unconfirmed_total", "Messages sent, but the connection broke before the answer.",
			func(c publish.Counts) uint64 { return c.Unconfirmed })
		gauge("receivers", "Receivers of the newest message.", func(c publish.Counts) int64 { return c.Receivers })
	} else {
		gauge("stream_length", "Entries in the stream.", func(c publish.Counts) int64 { return c.StreamLength })
	}
	r.MustRegister(
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "colorstream_generator_read_total", Help: "Messages made or read, refused ones among them.",
		}, func() float64 { return float64(g.account.ReadTotal()) }),
		refusals{g},
	)
	return r
}

// refusals collects a counter for each reason.
type refusals struct{ g *generator }

var refusedDesc = prometheus.NewDesc("colorstream_generator_refused_total", "Lines of the input that are no messages.",
	[]string{"reason"}, nil)

func (refusals) Describe(descs chan<- *prometheus.Desc) { descs <- refusedDesc }

func (r refusals) Collect(metrics chan<- prometheus.Metric) {
	for reason, n := range r.g.account.Refused() {
		metrics <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(n), string(reason))
	}
}
