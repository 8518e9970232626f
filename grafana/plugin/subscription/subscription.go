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

// A Subscription is a receiver and the buffer that it fills. It starts with the first watcher and
// ends with the last; who comes back within ten minutes finds the rows from before.
type Subscription struct {
	// Buffer is what there is to watch. It may always be read.
	Buffer *live.Buffer

	receiver Receiver
	limits   window.Config

	mu       sync.Mutex
	watchers int
	cancel   context.CancelFunc
	done     chan struct{} // closed when the receiver has ended
	stopped  time.Time
	leases   map[string]*lease
	closed   bool
}

// A lease is a watcher that leaves by itself.
type lease struct {
	until   time.Time
	timer   *time.Timer
	release func()
}

// New makes a subscription that rests.
func New(receiver Receiver, limits window.Config) *Subscription {
	return &Subscription{Buffer: live.NewBuffer(), receiver: receiver, limits: limits, leases: make(map[string]*lease)}
}

// Watch keeps the receiver running until release is called. The colours, if any, are in the rows
// from now on. The last release waits until the receiver has ended.
func (s *Subscription) Watch(colors []string) (release func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watch(colors)
}

func (s *Subscription) watch(colors []string) func() {
	if s.closed {
		return func() {}
	}
	unpin := s.Buffer.Pin(colors)
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

// start runs the receiver in a goroutine, which stop waits for.
func (s *Subscription) start() {
	if time.Since(s.stopped) > live.Memory { // all of it is too old to be shown
		s.Buffer.Clear()
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel, s.done = cancel, make(chan struct{})
	aggregator := live.NewAggregator(s.Buffer, s.limits)
	var running sync.WaitGroup
	running.Go(func() { aggregator.Run(ctx) })
	running.Go(func() {
		s.receiver.Run(ctx, func() redis.Sink { return aggregator.Partition() })
	})
	go func(done chan struct{}) {
		running.Wait()
		close(done)
	}(s.done)
}

func (s *Subscription) stop() {
	s.cancel()
	<-s.done
	s.stopped = time.Now()
}

// Lease watches for a query that does not stream, for two minutes from its last call.
func (s *Subscription) Lease(query string, colors []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	until := time.Now().Add(leaseTime)
	if h := s.leases[query]; h != nil {
		h.until = until
		h.timer.Reset(leaseTime)
		return
	}
	if s.closed || len(s.leases) >= maxLeases {
		return
	}
	s.leases[query] = &lease{
		until: until, release: s.watch(colors),
		timer: time.AfterFunc(leaseTime, func() { s.expire(query) }),
	}
}

func (s *Subscription) expire(query string) {
	s.mu.Lock()
	h := s.leases[query]
	if h == nil || time.Now().Before(h.until) { // called again while the timer was going off
		s.mu.Unlock()
		return
	}
	delete(s.leases, query)
	s.mu.Unlock()
	h.release()
}

// Watchers is how many there are, queries among them.
func (s *Subscription) Watchers() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.watchers
}

// Close ends the leases, and lets nobody watch any more. Who watches still goes on until the
// release.
func (s *Subscription) Close() {
	s.mu.Lock()
	s.closed = true
	var leases []*lease
	for query, h := range s.leases {
		h.timer.Stop()
		leases = append(leases, h)
		delete(s.leases, query)
	}
	s.mu.Unlock()
	for _, h := range leases {
		h.release()
	}
}
