package redisinfo

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/redistest"
)

func gathered(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.Metric[0].GetGauge().GetValue()
	}
	return got
}

func TestRedisSaysHowItIs(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--maxmemory", "100mb")
	client := server.Client()
	sub := client.Subscribe(t.Context(), "colors")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	a := New(slog.New(slog.DiscardHandler), client, "colors", registry)
	if got := gathered(t, registry); len(got) != 0 {
		t.Errorf("before an answer: %v", got)
	}
	ctx, stop := context.WithCancel(t.Context())
	a.Start(ctx)
	wait(t, registry, 3)
	got := gathered(t, registry)
	if got["colorstream_redis_memory_bytes"] < 100_000 {
		t.Errorf("memory: %v", got)
	}
	delete(got, "colorstream_redis_memory_bytes")
	if diff := cmp.Diff(map[string]float64{"colorstream_redis_subscribers": 1, "colorstream_redis_memory_max_bytes": 100 << 20}, got); diff != "" {
		t.Error(diff)
	}
	stop()
	a.Wait()

	// Gone: nothing rather than old figures, and no waiting.
	server.Kill()
	ctx, stop = context.WithCancel(t.Context())
	a.Start(ctx)
	wait(t, registry, 0)
	stop()
	a.Wait()
}

func wait(t *testing.T, registry *prometheus.Registry, n int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); len(gathered(t, registry)) != n; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("there are %d metrics, want %d", len(gathered(t, registry)), n)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	const info = "# Memory\r\nused_memory:1234\r\nused_memory_rss:99\r\nmaxmemory:bad\r\n"
	for name, want := range map[string]float64{"used_memory": 1234, "maxmemory": 0, "absent": 0} {
		if got := number(info, name); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
