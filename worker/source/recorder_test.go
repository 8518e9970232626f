package source

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"
)

// A recorder is a Sink that checks how it is called. Its fields are guarded by mu.
type recorder struct {
	t        *testing.T
	mu       sync.Mutex
	payloads []string
	times    []int64 // of each payload: the newest time told before it
	rejected []string
	now      int64
	position Position
	gaps     [][2]int64
	states   []error
	onTime   func(at int64) // called under mu
}

func newRecorder(t *testing.T) *recorder { return &recorder{t: t} }

func (r *recorder) Message(payload string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.payloads, r.times = append(r.payloads, payload), append(r.times, r.now)
}

func (r *recorder) Reject(reason, payload string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rejected = append(r.rejected, reason+": "+payload)
}

func (r *recorder) Time(at int64, position Position) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at < r.now {
		r.t.Errorf("time goes back from %d to %d", r.now, at)
	}
	r.now, r.position = at, position
	if r.onTime != nil {
		r.onTime(at)
	}
}

func (r *recorder) Gap(from, to int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if to < from {
		r.t.Errorf("a gap from %d to %d", from, to)
	}
	r.gaps = append(r.gaps, [2]int64{from, to})
}

func (r *recorder) state(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, err)
}

// wait waits until the condition, looked at under the lock, holds.
func (r *recorder) wait(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
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

// start runs a source until the test ends, or stop is called.
func start(t *testing.T, run func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(10 * time.Second):
			t.Error("the source does not stop")
			return nil
		}
	})
	t.Cleanup(func() { _ = stop() })
	return stop
}
