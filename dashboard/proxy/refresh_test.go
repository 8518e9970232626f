package proxy

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Whatever the moment at which Grafana stops answering, and whether it refuses or hangs, five
// seconds are enough to know it; one failure alone does not count.
func TestOutageIsKnownInTime(t *testing.T) {
	t.Parallel()
	for _, fail := range []time.Duration{0, readTime} { // it refuses, or hangs
		for after := time.Duration(0); after < 2500*time.Millisecond; after += 50 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				var failures atomic.Int64 // that are still to come
				read := func(context.Context) (*dashboard, error) {
					if failures.Add(-1) >= 0 {
						time.Sleep(fail)
						return nil, errors.New("away")
					}
					return &dashboard{targets: make(map[string]bool), panels: []int{1}}, nil
				}
				p := New(slog.New(slog.DiscardHandler), Config{}, nil)
				want := func(what string, available bool) {
					t.Helper()
					if panels, _ := p.Panels(); (panels != nil) != available || (p.dashboard.Load().targets != nil) != available {
						t.Errorf("%v, %v: %s: panels %v", fail, after, what, panels)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { p.refresh(ctx, read) })
				time.Sleep(10*time.Second + after)
				for range 3 {
					failures.Store(1)
					for range 8 {
						time.Sleep(500 * time.Millisecond)
						want("after a single failure", true)
					}
				}
				failures.Store(1e9)
				time.Sleep(5 * time.Second)
				want("5 s after Grafana went", false)
				failures.Store(0)
				time.Sleep(5 * time.Second)
				want("5 s after Grafana came back", true)
				cancel()
				running.Wait()
			})
		}
	}
}
