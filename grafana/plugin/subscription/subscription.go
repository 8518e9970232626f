// Package subscription runs one receiver for all who watch, and only while somebody does.
package subscription

import (
	"context"
	"sync"
	"time"

	"colorstream/grafana/plugin/live"
	"colorstream/grafana/plugin/redis"
	"colorstream/worker/window"
)

const (
	// leaseTime is how long a query without a stream, such as an alert rule's, keeps the receiver
	// running.
	leaseTime = 2 * time.Minute
	// maxLeases bounds those of different queries.
	maxLeases = 100
)

// A Receiver receives messages until ctx ends.
type Receiver interface {
	Run(ctx context.Context, partition func() redis.Sink)
}

// A Subscription is a receiver and the rows that are made of what it receives. It starts with the
// first watcher and ends with the last; who comes back within ten minutes finds the rows from before.
type Subscription struct {
	// Live has the rows. It may always be read.
	Live *live.Aggregator

	receiver Receiver

	mu       sync.Mutex
	watchers int
	stop     func() // ends the receiver, and waits until it has ended
	leases   map[string]*time.Timer
}

// New makes a subscription that rests.
func New(receiver Receiver, limits window.Config) *Subscription {
	return &Subscription{
		Live: live.NewAggregator(limits), receiver: receiver, leases: make(map[string]*time.Timer),
	}
}

// Watch keeps the receiver running until release is called. The colours, if any, are in the rows
// from now on. The last release waits until the receiver has ended.
func (s *Subscription) Watch(colors []string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch(colors)
}

func (s *Subscription) watch(colors []string) func() {
	unpin := s.Live.Pin(colors)
	if s.watchers++; s.watchers == 1 {
		s.start()
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		unpin()
		if s.watchers--; s.watchers == 0 {
			s.stop()
		}
	})
}

func (s *Subscription) start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.Live.Restart()
	var running sync.WaitGroup
	running.Go(func() { s.Live.Run(ctx) })
	running.Go(func() { s.receiver.Run(ctx, func() redis.Sink { return s.Live.Partition() }) })
	s.stop = func() { cancel(); running.Wait() }
}

// Lease watches for a query that does not stream, for two minutes from its last call.
func (s *Subscription) Lease(query string, colors []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if lease := s.leases[query]; lease != nil && lease.Stop() {
		lease.Reset(leaseTime)
		return
	}
	if len(s.leases) >= maxLeases {
		return
	}
	release := s.watch(colors)
	var lease *time.Timer
	lease = time.AfterFunc(leaseTime, func() {
		s.mu.Lock()
		if s.leases[query] == lease { // else another has begun while this one ended
			delete(s.leases, query)
		}
		s.mu.Unlock()
		release()
	})
	s.leases[query] = lease
}
