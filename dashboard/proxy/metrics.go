package proxy

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// The values of the label decision.
const (
	labelPass   = "pass"   // answered by Grafana
	labelShared = "shared" // answered with what Grafana told another request
	labelHere   = "here"   // answered by the proxy in Grafana's stead
	labelDenied = "denied" // not permitted
	labelBusy   = "busy"   // permitted, but too many at once
	labelFailed = "failed" // permitted, but Grafana gave no usable answer
	labelGone   = "gone"   // the browser left before the answer came
)

type metrics struct {
	requests *prometheus.CounterVec
	upstream *prometheus.HistogramVec
}

// newMetrics registers the metrics, or makes unregistered ones if registerer is nil.
func newMetrics(registerer prometheus.Registerer) *metrics {
	factory := promauto.With(registerer)
	m := &metrics{
		requests: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "colorstream_page_proxy_requests_total",
			Help: "Browsers' requests for Grafana's paths, by what became of them.",
		}, []string{"decision"}),
		upstream: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "colorstream_page_proxy_upstream_seconds",
			Help:    "Time until Grafana began its answer, for data queries and for all else (fetch).",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}, []string{"kind"}),
	}
	for _, label := range []string{labelPass, labelShared, labelHere, labelDenied, labelBusy, labelFailed, labelGone} {
		m.requests.WithLabelValues(label)
	}
	for _, kind := range []string{"query", "fetch"} {
		m.upstream.WithLabelValues(kind)
	}
	return m
}
