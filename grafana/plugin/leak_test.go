package main

import (
	"context"
	"log/slog"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/grafana/grafana-plugin-sdk-go/backend"
)

// ours lists the goroutines that run code of this module or of the Redis client, the test's own
// left out.
func ours() string {
	var all strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&all, 2)
	var out []string
	for g := range strings.SplitSeq(all.String(), "\n\n") {
		if (strings.Contains(g, "colorstream/grafana/plugin") || strings.Contains(g, "redis/go-redis")) &&
			!strings.Contains(g, "testing.tRunner") {
			out = append(out, g)
		}
	}
	return strings.Join(out, "\n\n")
}

type discard struct{}

func (discard) Send(*backend.StreamPacket) error { return nil }

// Not parallel: other tests have goroutines too.
func TestNothingGoesOnWhenNobodyWatches(t *testing.T) {
	server := miniredis.RunT(t)
	s, err := open(slog.New(slog.DiscardHandler), settingsFor("redis://"+server.Addr(), nil))
	if err != nil {
		t.Fatal(err)
	}
	if text := ours(); text != "" {
		t.Fatalf("goroutines before anybody watches:\n%s", text)
	}
	for range 3 {
		var streams sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		for _, path := range []string{"windows/running/mean", "windows/closed/max", "messages", "rates", "rates/red"} {
			for range 4 {
				streams.Go(func() {
					if err := s.RunStream(ctx, &backend.RunStreamRequest{Path: path}, backend.NewStreamSender(discard{})); err != nil {
						t.Error(err)
					}
				})
			}
		}
		eventually(t, "a subscription",
			func() bool { return server.PubSubNumSub("colors")["colors"] == 1 })
		cancel()
		streams.Wait()
		eventually(t, "no subscription",
			func() bool { return server.PubSubNumSub("colors")["colors"] == 0 })
		left := ""
		for deadline := time.Now().Add(timeout); ; time.Sleep(5 * time.Millisecond) {
			if left = ours(); left == "" || time.Now().After(deadline) {
				break
			}
		}
		if left != "" {
			t.Fatalf("goroutines after everybody has left:\n%s", left)
		}
	}
}
