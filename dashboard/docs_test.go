package main

import (
	"log/slog"
	"net/url"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/dashboard/live"
	"colorstream/dashboard/proxy"
	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
)

func TestVariables(t *testing.T) {
	servicetest.CheckVariables(t, "docs/variables.md", "dashboard", config{})
}

// TestMetricsAreDocumented holds the table of metrics against all that a page may show.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	var health service.Health
	health.Condition("influxdb", "")
	service.Register(registry, "dashboard", &health)
	upstream := &url.URL{Scheme: "http", Host: "127.0.0.1:1"}
	proxy.New(slog.New(slog.DiscardHandler),
		proxy.Config{Upstream: upstream, DashboardUID: "a", DataSourceUID: "b"}, registry)
	live.NewServer(1, registry)
	servicetest.CheckMetrics(t, "../worker/docs/metrics.md", "Page", registry)
}
