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
				f := newRefresher(slog.New(slog.DiscardHandler), 2*time.Second, func() (*dashboard, error) {
					if failures.Add(-1) >= 0 {
						time.Sleep(fail)
						return nil, errors.New("away")
					}
					return &dashboard{targets: make(map[string]keys), panels: []int{1}}, nil
				})
				want := func(what string, available bool) {
					t.Helper()
					if panels, _ := f.Panels(); (panels != nil) != available || (f.current().targets != nil) != available {
						t.Errorf("%v, %v: %s: panels %v", fail, after, what, panels)
					}
				}
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { f.run(ctx) })
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

// A hundred who ask at once, with unknown queries, wait for one read, which begins after they asked,
// and the next ones for the next read, half a second later.
func TestReadsAreShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reads, edits atomic.Int64
		var last time.Time
		f := newRefresher(slog.New(slog.DiscardHandler), time.Hour, func() (*dashboard, error) {
			if time.Since(last) < gapTime {
				t.Errorf("a read %v after another", time.Since(last))
			}
			last = time.Now()
			reads.Add(1)
			now := edits.Load()
			time.Sleep(100 * time.Millisecond)
			return &dashboard{panels: []int{int(now)}}, nil
		})
		ask := func() {
			edit := edits.Add(1)
			f.refresh()
			if panels, _ := f.Panels(); int64(panels[0]) < edit {
				t.Errorf("edit %d was made before the read, which has edit %d", edit, panels[0])
			}
		}
		for round := range 3 {
			began := time.Now()
			var all sync.WaitGroup
			all.Go(ask)
			time.Sleep(time.Millisecond) // the first begins the read
			for range 100 {
				all.Go(ask)
			}
			all.Wait()
			if took := time.Since(began); took > time.Second+101*time.Millisecond {
				t.Errorf("round %d took %v", round, took)
			}
		}
		// The first of each round, unless it waited for its turn, and one for the hundred.
		if n := reads.Load(); n < 3 || n > 6 {
			t.Errorf("%d reads for three rounds", n)
		}
	})
}
