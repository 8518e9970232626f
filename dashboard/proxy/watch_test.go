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

// Whatever the moment at which Grafana stops answering, and whether it refuses or hangs, five seconds are enough
// to know it; one failure alone does not count.
func TestOutageIsKnownInTime(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(context.Context) error{
		"refused": func(context.Context) error { return errors.New("refused") },
		"hangs": func(ctx context.Context) error {
			select {
			case <-time.After(readTime):
			case <-ctx.Done():
			}
			return errors.New("no answer")
		},
	} {
		for after := time.Duration(0); after < 2500*time.Millisecond; after += 50 * time.Millisecond {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				away, failures := false, 0
				w := newWatch(slog.New(slog.DiscardHandler), 2*time.Second, func(ctx context.Context) (*board, error) {
					mu.Lock()
					now := away
					mu.Unlock()
					if now {
						return nil, fail(ctx)
					}
					if mu.Lock(); failures > 0 { // single failures in between
						failures--
						mu.Unlock()
						return nil, errors.New("once")
					}
					mu.Unlock()
					return &board{panels: []int{1}}, nil
				})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { w.run(ctx) })
				time.Sleep(10*time.Second + after)
				for range 3 {
					mu.Lock()
					failures = 1
					mu.Unlock()
					time.Sleep(4 * time.Second)
				}
				if s := w.current(); !s.Available || time.Since(s.Since) < 20*time.Second {
					t.Errorf("%s: after single failures: %+v", name, s)
				}
				mu.Lock()
				away = true
				mu.Unlock()
				time.Sleep(5 * time.Second)
				if s := w.current(); s.Available || s.Reason == "" || w.targets() != nil {
					t.Errorf("%s: 5 s after Grafana went: %+v", name, s)
				}
				mu.Lock()
				away = false
				mu.Unlock()
				time.Sleep(5 * time.Second)
				if s := w.current(); !s.Available || s.Reason != "" {
					t.Errorf("%s: 5 s after Grafana came back: %+v", name, s)
				}
				cancel()
				running.Wait()
			})
		}
	}
}

// Waiting for a look ends with the look, with the wait's own time, or with who waits.
func TestRefreshed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		w := newWatch(slog.New(slog.DiscardHandler), time.Hour, func(context.Context) (*board, error) {
			looks.Add(1)
			time.Sleep(100 * time.Millisecond)
			return &board{}, nil
		})
		began := time.Now()
		if w.refreshed(t.Context()) || time.Since(began) != patience {
			t.Errorf("nobody looks, and yet after %v a look is seen", time.Since(began))
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.run(ctx) })
		time.Sleep(10 * time.Second)
		before := looks.Load()
		var all sync.WaitGroup
		began = time.Now()
		var refused atomic.Int32
		for range maxWaiting + 10 {
			all.Go(func() {
				if !w.refreshed(t.Context()) {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		if n := refused.Load(); n != 10 {
			t.Errorf("%d did not wait, want 10", n)
		}
		if took := time.Since(began); looks.Load() != before+1 || took != 100*time.Millisecond {
			t.Errorf("%d looks in %v for many who wait, want 1 in 100ms", looks.Load()-before, took)
		}
		leaver, leave := context.WithCancel(t.Context())
		leave()
		if w.refreshed(leaver) {
			t.Error("who has left sees a look")
		}
		cancel()
		running.Wait()
	})
}
