package main

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/publish"
	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
	"colorstream/generator/tally"
)

// TestMetricsAreDocumented holds the table of metrics against what a generator shows, with each
// transport.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	for transport, heading := range map[publish.Transport]string{
		publish.PubSub: "Generator, Pub/Sub", publish.Stream: "Generator, stream",
	} {
		config := Config{Channel: "colors", Transport: transport}
		config.Redis.URL = "redis://127.0.0.1:1/0"
		publisher := publish.New(slog.New(slog.DiscardHandler), config.publishOptions(), func(error) {})
		defer publisher.Close()
		g := &generator{
			config: config, tally: tally.New(), health: new(service.Health), publisher: publisher,
		}
		g.health.Condition("redis", "")
		servicetest.CheckMetrics(t, "../worker/docs/metrics.md",
			heading, g.metrics().(*prometheus.Registry))
	}
}
