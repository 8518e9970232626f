package main

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
	"colorstream/worker/store"
)

// TestMetricsAreDocumented holds docs/metrics.md against all that a worker may show.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	var health service.Health
	health.Condition("redis", "")
	service.Register(registry, "worker", &health)
	m := newMetrics(registry)
	// These have no value at first.
	m.total.aheadAt = time.Now().UnixNano()
	for _, v := range []*prometheus.GaugeVec{m.owned, m.backlog, m.lag} {
		v.WithLabelValues("colors")
	}
	m.watchStore(func() store.Stats { return store.Stats{} })
	m.watchPubSub(config{DataDir: t.TempDir()}, func() uint64 { return 0 })
	servicetest.CheckMetrics(t, "docs/metrics.md", "Worker", registry)
}
