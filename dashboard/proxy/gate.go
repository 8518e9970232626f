package proxy

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/semaphore"
)

// errBusy is a full queue or a turn that did not come in time.
var errBusy = errors.New("too many requests at once")

// A gate lets a number of requests through at a time; a bounded number of others wait a bounded time, in order.
type gate struct {
	places *semaphore.Weighted
	queue  *semaphore.Weighted
	wait   time.Duration
}

func newGate(places, queue int, wait time.Duration) *gate {
	return &gate{
		places: semaphore.NewWeighted(int64(places)), queue: semaphore.NewWeighted(int64(places) + int64(queue)), wait: wait,
	}
}

// enter waits for a place. Call leave once to give it back.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	if !g.queue.TryAcquire(1) {
		return nil, errBusy
	}
	waiting, cancel := context.WithTimeout(ctx, g.wait)
	defer cancel()
	if err := g.places.Acquire(waiting, 1); err != nil {
		g.queue.Release(1)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, errBusy
	}
	return func() {
		g.places.Release(1)
		g.queue.Release(1)
	}, nil
}
