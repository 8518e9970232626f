package main

import (
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redisurl"
	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
	"colorstream/worker/store"
)

// TestMetricsAreDocumented holds docs/metrics.md against all that a worker may show.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	log, cfg := slog.New(slog.DiscardHandler), config{
		DataDir: t.TempDir(), MaxBytes: 16 << 20,
		Partitions: 1,
	}
	// nobody is asked
	client := redisurl.Client{UniversalClient: redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})}
	defer client.Close()
	registry := prometheus.NewRegistry()
	var health service.Health
	condition := health.Condition("redis", "")
	service.Register(registry, "worker", &health)
	m := newMetrics(registry)
	p := newPartitions(log, cfg, client, m, senders{}, condition)
	m.watchPartitions(p)
	m.watchStore(func() store.Stats { return store.Stats{} })
	m.watchPubSub(cfg, func() float64 { return 0 }, func() float64 { return 0 })
	servicetest.CheckMetrics(t, "docs/metrics.md", "Worker", registry)
}
