package live

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"colorstream/worker/source"
)

const (
	// leaseTime is how long a query without a stream, such as an alert rule's, is watched for.
	leaseTime = 2 * time.Minute
	// maxLeases bounds those at a time.
	maxLeases = 1000
)

// Receive receives messages until ctx ends. It calls partition for each goroutine that does.
type Receive func(ctx context.Context, partition func() *Partition)

// A watch is who watches.
type watch struct {
	leases atomic.Int64

	watching sync.Mutex // guards the fields below
	watchers int
	stop     func() // ends the receiver, and waits until it has ended
}

// Watch has messages received until ctx ends, with the named colours in the rows whatever else
// there is. One receiver is for all who watch: it starts with the first and ends with the last. Who
// comes back within ten minutes finds the rows from before.
func (a *Aggregator) Watch(ctx context.Context, colors []string) {
	a.watching.Lock()
	defer a.watching.Unlock()
	unpin := a.pin(colors)
	if a.watchers++; a.watchers == 1 {
		a.start()
	}
	context.AfterFunc(ctx, func() {
		a.watching.Lock()
		defer a.watching.Unlock()
		unpin()
		if a.watchers--; a.watchers == 0 {
			a.stop()
		}
	})
}

// Lease watches for a query that does not stream, for two minutes.
func (a *Aggregator) Lease(colors []string) {
	if a.leases.Add(1) > maxLeases {
		a.leases.Add(-1)
		return
	}
	ctx, end := context.WithCancel(context.Background())
	a.Watch(ctx, colors)
	time.AfterFunc(leaseTime, func() {
		end()
		a.leases.Add(-1)
	})
}

// start starts a receiver. The rows of the last one stay, and so do the colours' places.
func (a *Aggregator) start() {
	a.mu.Lock()
	a.partitions = nil
	clear(a.closed)
	a.lastTick = a.now()
	a.colors.expire(a.lastTick)
	a.mu.Unlock()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.receive(ctx, a.partition) })
	running.Go(func() {
		for source.Sleep(ctx, time.Duration(tickEvery-a.now()%tickEvery)) {
			a.tick(a.now())
		}
	})
	a.stop = func() { cancel(); running.Wait() }
}
