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
				w := newTestRefresher(2*time.Second, func(ctx context.Context) (*dashboard, error) {
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
					return &dashboard{permitted: permitted{targets: fuzzTargets}, panels: []int{1}}, nil
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
				if s := w.State(); !s.Available || time.Since(s.Since) < 20*time.Second {
					t.Errorf("%s: after single failures: %+v", name, s)
				}
				mu.Lock()
				away = true
				mu.Unlock()
				time.Sleep(5 * time.Second)
				if s := w.State(); s.Available || s.Reason == "" || w.permitted().targets != nil {
					t.Errorf("%s: 5 s after Grafana went: %+v", name, s)
				}
				mu.Lock()
				away = false
				mu.Unlock()
				time.Sleep(5 * time.Second)
				if s := w.State(); !s.Available || s.Reason != "" {
					t.Errorf("%s: 5 s after Grafana came back: %+v", name, s)
				}
				cancel()
				running.Wait()
			})
		}
	}
}

// A hundred who ask at once wait for one read, which begins after they asked, and the next ones for
// the next read, half a second later. Who leaves does not end the read for the others.
func TestReadsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reads, ended atomic.Int32
		f := newTestRefresher(time.Hour, func(ctx context.Context) (*dashboard, error) {
			reads.Add(1)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			return &dashboard{panels: []int{int(ended.Add(1))}}, nil
		})
		for round := range 3 {
			began := time.Now()
			ctx, leave := context.WithCancel(t.Context())
			var all sync.WaitGroup
			all.Go(func() { f.refresh(ctx) })
			time.Sleep(time.Millisecond) // the first begins the read
			for range 100 {
				all.Go(func() { f.refresh(t.Context()) })
			}
			leave()
			all.Wait()
			if took := time.Since(began); took > time.Second+101*time.Millisecond {
				t.Errorf("round %d took %v", round, took)
			}
		}
		// The first of each round, if it did not leave before its turn, and one for the hundred.
		if n := reads.Load(); n < 3 || n > 6 || ended.Load() != n {
			t.Errorf("%d reads, %d of them whole, for three rounds", n, ended.Load())
		}
	})
}

func newTestRefresher(every time.Duration, read func(context.Context) (*dashboard, error)) *refresher {
	l := defaultLimits()
	l.Refresh = every
	f := newRefresher(slog.New(slog.DiscardHandler), Config{limits: l}, nil)
	f.read = read
	return f
}
