package service

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry makes a program's registry, with the Go runtime's and the process' metrics and
//
//	colorstream_build_info{program="worker",version="…",goversion="…"} 1
//
// in it. They carry the label program, since InfluxDB's scrapers do not tell which address they
// read.
func NewRegistry(program string) *prometheus.Registry {
	registry := prometheus.NewRegistry()
	RegisterShared(registry, program)
	return registry
}

// RegisterShared registers the metrics that all programs have.
func RegisterShared(registerer prometheus.Registerer, program string) {
	shared := prometheus.WrapRegistererWith(prometheus.Labels{"program": program}, registerer)
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "colorstream_build_info", Help: "1, with the program's version and Go's as labels.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": runtime.Version()},
	})
	build.Set(1)
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	shared.MustRegister(collectors.NewGoCollector(), process, build)
}

// WatchHealth shows a program's conditions, those of /readyz, as
//
//	colorstream_ready{program="worker",condition="redis"} 1
func WatchHealth(registry prometheus.Registerer, program string, health *Health) {
	desc := prometheus.NewDesc("colorstream_ready",
		"1 while the condition of /readyz holds, else 0.",
		[]string{"condition"}, prometheus.Labels{"program": program})
	registry.MustRegister(prometheus.CollectorFunc(func(metrics chan<- prometheus.Metric) {
		_, states := health.State()
		for _, s := range states {
			value := 0.0
			if s.OK {
				value = 1
			}
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, s.Name)
		}
	}))
}
