package live

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"colorstream/worker/source"
	"colorstream/worker/window"
)

// fake receives a message of each of two colours ten times a second.
type fake struct{ running, runs atomic.Int32 }

func (f *fake) run(ctx context.Context, partition func() *Partition) {
	f.runs.Add(1)
	f.running.Add(1)
	defer f.running.Add(-1)
	sink := partition()
	sink.State(nil)
	for source.Sleep(ctx, 100*time.Millisecond) {
		sink.Message(`{"color":"red","value":1}`)
		sink.Message(`{"color":"blue","value":2}`)
		sink.Time(time.Now().UnixNano(), source.Position{})
	}
}

func newFake() (*fake, *Aggregator) {
	f := new(fake)
	return f, NewAggregator(window.Config{Width: 5 * time.Second}, f.run)
}

func (f *fake) want(t *testing.T, running, runs int32) {
	t.Helper()
	synctest.Wait()
	if f.running.Load() != running || f.runs.Load() != runs {
		t.Errorf("%d receivers run, %d ever did; want %d and %d",
			f.running.Load(), f.runs.Load(), running, runs)
	}
}

func TestOneReceiverForAllWatchers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a := newFake()
		f.want(t, 0, 0)
		first, endFirst := context.WithCancel(t.Context())
		others, endOthers := context.WithCancel(t.Context())
		a.Watch(first, nil)
		for range 20 {
			a.Watch(others, nil)
		}
		f.want(t, 1, 1)
		endOthers()
		f.want(t, 1, 1)
		endFirst()
		f.want(t, 0, 1)
		again, endAgain := context.WithCancel(t.Context())
		a.Watch(again, nil)
		f.want(t, 1, 2)
		endAgain()
	})
}

func TestManyComeAndGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a := newFake()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for range 20 {
					ctx, end := context.WithCancel(t.Context())
					a.Watch(ctx, []string{"red"})
					time.Sleep(time.Duration(i) * time.Millisecond)
					end()
				}
			})
		}
		all.Wait()
		f.want(t, 0, f.runs.Load())
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.colors.pinned) > 0 {
			t.Errorf("pinned: %v", a.colors.pinned)
		}
	})
}

func TestRowsAreThereForWhoComesBackSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, a := newFake()
		watchFor := func(d time.Duration) {
			ctx, end := context.WithCancel(t.Context())
			a.Watch(ctx, nil)
			time.Sleep(d)
			end()
			synctest.Wait()
		}
		rows := func() int {
			rows, _, _ := a.Partial.After(0, time.Now().Add(-Memory).UnixNano())
			return len(rows)
		}
		watchFor(time.Minute + time.Second) // in the middle of a window
		before := rows()
		if before < 200 {
			t.Fatalf("%d rows in a minute", before)
		}
		time.Sleep(Memory - time.Minute - 4*time.Second) // the first rows are not too old by then
		watchFor(2 * time.Second)
		if rows() < before { // new ones are there too
			t.Errorf("%d of %d rows are left within the ten minutes", rows(), before)
		}
		if rows, _, _ := a.Partial.After(0, 0); len(rows[len(rows)-1].Stats) != 2 {
			t.Errorf("the last row is %+v, want two colours of this receiver", rows[len(rows)-1])
		}
		time.Sleep(Memory + time.Second)
		watchFor(0)
		// The receiver may have written its first row already.
		if colors, _ := a.Colors(); rows() > 1 || len(colors) != 0 {
			t.Errorf("%d rows and %q after more than ten minutes", rows(), colors)
		}
	})
}

func TestAQueryHoldsTheReceiverForTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a := newFake()
		a.Lease(nil)
		a.Lease([]string{"red"})
		f.want(t, 1, 1)
		time.Sleep(100 * time.Second)
		a.Lease(nil)
		time.Sleep(119 * time.Second)
		f.want(t, 1, 1)
		time.Sleep(2 * time.Second)
		f.want(t, 0, 1)
		for range maxLeases + 10 {
			a.Lease(nil)
		}
		a.watching.Lock()
		if a.watchers != maxLeases {
			t.Errorf("%d watchers, want %d", a.watchers, maxLeases)
		}
		a.watching.Unlock()
		time.Sleep(leaseTime + time.Second)
		a.Lease(nil) // those that ended are in nobody's way
		f.want(t, 1, 3)
		time.Sleep(leaseTime + time.Second)
	})
}
