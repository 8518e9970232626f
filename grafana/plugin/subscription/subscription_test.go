package subscription

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"colorstream/grafana/plugin/live"
	"colorstream/grafana/plugin/redis"
	"colorstream/worker/source"
	"colorstream/worker/window"
)

// fake receives a message of each of two colours ten times a second.
type fake struct{ running, runs atomic.Int32 }

func (f *fake) Run(ctx context.Context, partition func() redis.Sink) {
	f.runs.Add(1)
	f.running.Add(1)
	defer f.running.Add(-1)
	sink := partition()
	sink.State(nil)
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Millisecond):
			sink.Message(`{"color":"red","value":1}`)
			sink.Message(`{"color":"blue","value":2}`)
			sink.Time(time.Now().UnixNano(), source.Position{})
		}
	}
}

func newTest() (*fake, *Subscription) {
	f := new(fake)
	return f, New(f, window.Config{Width: 5 * time.Second})
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
		f, u := newTest()
		f.want(t, 0, 0)
		var releases []func()
		for range 20 {
			releases = append(releases, u.Watch(nil))
		}
		f.want(t, 1, 1)
		for _, release := range releases[1:] {
			release()
			release() // twice is once
		}
		f.want(t, 1, 1)
		releases[0]()
		f.want(t, 0, 1)
		defer u.Watch(nil)()
		f.want(t, 1, 2)
	})
}

func TestManyComeAndGoAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, u := newTest()
		var all sync.WaitGroup
		for i := range 50 {
			all.Go(func() {
				for range 20 {
					release := u.Watch([]string{"red"})
					time.Sleep(time.Duration(i) * time.Millisecond)
					release()
				}
			})
		}
		all.Wait()
		synctest.Wait()
		if f.running.Load() != 0 {
			t.Errorf("%d receivers", f.running.Load())
		}
	})
}

func TestRowsAreThereForWhoComesBackSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, u := newTest()
		release := u.Watch(nil)
		time.Sleep(time.Minute)
		release()
		rows := func() int {
			rows, _, _ := u.Live.Partial.After(0, time.Now().Add(-live.Memory).UnixNano())
			return len(rows)
		}
		before := rows()
		if before < 200 {
			t.Fatalf("%d rows in a minute", before)
		}
		time.Sleep(live.Memory - time.Minute - 2*time.Second) // the first rows are not too old by then
		release = u.Watch(nil)
		if rows() < before { // new ones may be there already
			t.Errorf("%d of %d rows are left within the ten minutes", rows(), before)
		}
		release()
		time.Sleep(live.Memory + time.Second)
		defer u.Watch(nil)()
		// The receiver may have written its first row already.
		if colors, _ := u.Live.Colors(); rows() > 1 || len(colors) != 0 {
			t.Errorf("%d rows and %q after more than ten minutes", rows(), colors)
		}
	})
}

func TestAQueryHoldsTheReceiverForTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, u := newTest()
		u.Lease("a", nil)
		u.Lease("b", []string{"red"})
		f.want(t, 1, 1)
		time.Sleep(100 * time.Second)
		u.Lease("a", nil)
		time.Sleep(119 * time.Second)
		f.want(t, 1, 1)
		time.Sleep(2 * time.Second)
		f.want(t, 0, 1)
		for i := range maxLeases {
			u.Lease(fmt.Sprint(i), nil)
		}
		time.Sleep(leaseTime + time.Second)
		u.Lease("c", nil) // those that ended are in nobody's way
		f.want(t, 1, 3)
		time.Sleep(leaseTime + time.Second)
	})
}
