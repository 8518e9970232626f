package source

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

// A recorder is a Sink that checks how it is called.
type recorder struct {
	t        *testing.T
	mu       sync.Mutex
	inside   bool
	payloads []string
	times    []int64
	again    int
	position string
	advanced int64
	heard    int
	lost     int
	states   []error
	anyOrder bool // what is taken over from another comes late
}

func newRecorder(t *testing.T) *recorder { return &recorder{t: t, advanced: math.MinInt64} }

func (r *recorder) Begin() int64 {
	r.mu.Lock()
	r.inside = true
	return time.Now().UnixNano()
}

func (r *recorder) End() {
	r.check("End")
	r.inside = false
	r.mu.Unlock()
}

func (r *recorder) check(call string) {
	if !r.inside {
		r.t.Errorf("%s outside Begin and End", call)
	}
}

func (r *recorder) Message(payload string, at int64, again bool) {
	r.check("Message")
	if at < r.advanced && !r.anyOrder {
		r.t.Errorf("message of %d after time has come to %d", at, r.advanced)
	}
	r.payloads = append(r.payloads, payload)
	r.times = append(r.times, at)
	if again {
		r.again++
	}
}

func (r *recorder) Advance(at int64)  { r.check("Advance"); r.advanced = max(r.advanced, at) }
func (r *recorder) Position(p string) { r.check("Position"); r.position = p }
func (r *recorder) Heard(int64)       { r.check("Heard"); r.heard++ }
func (r *recorder) Lost(int64)        { r.check("Lost"); r.lost++ }

func (r *recorder) state(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, err)
}

// wait waits until the condition, looked at under the lock, holds.
func (r *recorder) wait(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		r.mu.Lock()
		ok := condition()
		r.mu.Unlock()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("waited too long: %s", what)
		}
	}
}

func (r *recorder) waitCount(n int) {
	r.t.Helper()
	r.wait(fmt.Sprintf("%d messages", n), func() bool { return len(r.payloads) >= n })
}

func testLog(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// start runs a source until the test ends.
func start(t *testing.T, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(10 * time.Second):
			t.Error("the source does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

func startPubSub(t *testing.T, address string, rec *recorder) *PubSub {
	p := NewPubSub(testLog(t), &redis.Options{Addr: address}, "colors", time.Second, rec, rec.state)
	start(t, p.Run)
	return p
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	rec := newRecorder(t)
	startPubSub(t, server.Addr(), rec)
	rec.wait("subscription", func() bool { return rec.heard == 1 })
	var want []string
	for i := range 1000 {
		want = append(want, fmt.Sprint("message ", i))
		server.Publish("colors", want[i])
	}
	server.Publish("other", "not ours")
	rec.waitCount(1000)
	before := time.Now().UnixNano()
	rec.wait("time goes on", func() bool { return rec.advanced > before })
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if !slices.Equal(rec.payloads, want) {
		t.Error("the messages differ from those published, or their order does")
	}
	if !slices.IsSorted(rec.times) {
		t.Error("arrivals go backward")
	}
	if rec.lost != 0 {
		t.Errorf("lost %d times", rec.lost)
	}
}

// TestPubSubOutages goes through every way of losing Redis. Each must be seen, and be over when Redis is back.
func TestPubSubOutages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rec := newRecorder(t)
	p := startPubSub(t, server.Addr(), rec)
	rec.wait("subscription", func() bool { return rec.heard == 1 })
	outage := func(name string, begin, end func()) {
		t.Helper()
		rec.mu.Lock()
		heard, lost := rec.heard, rec.lost
		rec.mu.Unlock()
		begin()
		rec.wait(name+": the loss is seen", func() bool { return rec.lost > lost })
		end()
		rec.wait(name+": the return is seen", func() bool { return rec.heard > heard })
		rec.mu.Lock()
		n := len(rec.payloads)
		rec.mu.Unlock()
		if err := server.Client().Publish(t.Context(), "colors", name).Err(); err != nil {
			t.Fatal(err)
		}
		rec.waitCount(n + 1)
	}
	outage("killed", server.Kill, server.Restart)
	outage("disconnected by Redis", func() {
		if err := server.Client().Do(t.Context(), "client", "kill", "type", "pubsub").Err(); err != nil {
			t.Error(err)
		}
	}, func() {})
	outage("refused", func() {
		c := server.Client()
		if err := c.ConfigSet(t.Context(), "requirepass", "secret").Err(); err != nil {
			t.Error(err)
		}
		if err := c.Do(t.Context(), "client", "kill", "type", "pubsub").Err(); err != nil {
			t.Error(err)
		}
	}, func() {
		c := redis.NewClient(&redis.Options{Addr: server.Addr(), Password: "secret"})
		defer c.Close()
		if err := c.ConfigSet(t.Context(), "requirepass", "").Err(); err != nil {
			t.Error(err)
		}
	})
	outage("hung", server.Stop, server.Resume)
	if got := p.Reconnects(); got != 4 {
		t.Errorf("%d reconnects, want 4", got)
	}
}

func TestPubSubWaitsForRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	server.Kill()
	rec := newRecorder(t)
	startPubSub(t, server.Addr(), rec)
	rec.wait("the failure is told", func() bool { return len(rec.states) > 0 && rec.states[0] != nil })
	server.Restart()
	rec.wait("subscription", func() bool { return rec.heard == 1 && rec.states[len(rec.states)-1] == nil })
}
