package main

import (
	"log/slog"
	"testing"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
	"colorstream/worker/aside"
	"colorstream/worker/pipeline"
	"colorstream/worker/redisinfo"
	"colorstream/worker/source"
	"colorstream/worker/spool"
	"colorstream/worker/window"
)

// TestMetricsAreDocumented holds docs/metrics.md against all that a worker may show.
func TestMetricsAreDocumented(t *testing.T) {
	t.Parallel()
	log, cfg := slog.New(slog.DiscardHandler), config{SpoolDir: t.TempDir(), SpoolMaxBytes: 16 << 20}
	queue, err := spool.Open(log, spool.OS{}, spool.Config{Dir: cfg.SpoolDir, MaxBytes: cfg.SpoolMaxBytes})
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Close()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"}) // nobody is asked
	defer client.Close()
	store := pipeline.NewStore(log, cfg.SpoolDir, queue, func(error) {}, func(int64) {})
	receiver := pipeline.NewReceiver(log, window.NewSet(window.Config{Width: 1}), nil, func(pipeline.Aside) {})
	stream := source.NewStream(log, &redis.Options{}, "colors", 1, 0, "", receiver, func(error) {}, store.Full)

	registry := service.NewRegistry("worker")
	var health service.Health
	health.Condition("redis", "")
	service.WatchHealth(registry, "worker", &health)
	m := newMetrics(registry)
	m.watchDisk(cfg)
	m.watchStream(stream)
	m.watch(receiver, store, queue, aside.New(log, client, "colors:rejected"), stream)
	redisinfo.New(log, client, "colors", registry)
	servicetest.CheckMetrics(t, "docs/metrics.md", "Worker", registry)
}
