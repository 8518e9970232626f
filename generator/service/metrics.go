package service

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Register registers the metrics that all programs have: the Go runtime's and the process', its
// build and its conditions, those of /readyz:
//
//	colorstream_build_info{program="worker",version="…",goversion="…"} 1
//	colorstream_ready{program="worker",condition="redis"} 1
//
// They carry the label program, since InfluxDB's scrapers do not tell which address they read.
func Register(registerer prometheus.Registerer, program string, health *Health) {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "colorstream_build_info", Help: "1, with the program's version and Go's as labels.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	desc := prometheus.NewDesc("colorstream_ready",
		"1 while the condition of /readyz holds, else 0.", []string{"condition"}, nil)
	ready := prometheus.CollectorFunc(func(metrics chan<- prometheus.Metric) {
		_, states := health.State()
		for _, s := range states {
			value := 0.0
			if s.OK {
				value = 1
			}
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, s.Name)
		}
	})
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	prometheus.WrapRegistererWith(prometheus.Labels{"program": program}, registerer).
		MustRegister(collectors.NewGoCollector(), process, build, ready)
}
