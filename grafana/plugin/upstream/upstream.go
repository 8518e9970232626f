// Package upstream runs one receiver for all who watch, and only while somebody does.
package upstream

import (
	"context"
	"sync"
	"time"

	"colorstream/grafana/plugin/live"
	"colorstream/grafana/plugin/redis"
	"colorstream/worker/window"
)

const (
	// lease is how long a query without a stream, such as an alert rule's, keeps the receiver running.
	lease = 2 * time.Minute
	// maxLeases bounds those of different queries.
	maxLeases = 100
)

// A Receiver receives messages until ctx ends.
type Receiver interface {
	Run(ctx context.Context, sink redis.Sink)
}

// An Upstream is a receiver and the feed that it fills. It starts with the first watcher and ends with the last;
// the feed then remains for a while, for who comes back.
type Upstream struct {
	// Feed is what there is to watch. It may always be read.
	Feed *live.Feed

	receiver Receiver
	limits   window.Config

	mu       sync.Mutex
	watchers int
	cancel   context.CancelFunc
	done     chan struct{} // closed when the receiver has ended
	forget   *time.Timer   // drops what is too old to be shown
	leases   map[string]*held
	closed   bool
}

// held is a watcher that leaves by itself.
type held struct {
	until   time.Time
	timer   *time.Timer
	release func()
}

// New makes an upstream that rests.
func New(receiver Receiver, limits window.Config) *Upstream {
	return &Upstream{Feed: live.NewFeed(), receiver: receiver, limits: limits, leases: make(map[string]*held)}
}

// Watch keeps the receiver running until release is called. The colours, if any, are in the rows from now on.
// The last release waits until the receiver has ended.
func (u *Upstream) Watch(colors []string) (release func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.watch(colors)
}

func (u *Upstream) watch(colors []string) func() {
	if u.closed {
		return func() {}
	}
	ask := u.Feed.Ask(colors)
	if u.watchers++; u.watchers == 1 {
		u.start()
	}
	return sync.OnceFunc(func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		ask()
		if u.watchers--; u.watchers == 0 {
			u.stop()
		}
	})
}

// start runs the receiver in a goroutine, which stop waits for.
func (u *Upstream) start() {
	if u.forget != nil {
		u.forget.Stop()
	}
	ctx, cancel := context.WithCancel(context.Background())
	u.cancel, u.done = cancel, make(chan struct{})
	tally := live.NewTally(u.Feed, u.limits)
	go func(done chan struct{}) {
		defer close(done)
		u.receiver.Run(ctx, tally)
	}(u.done)
}

func (u *Upstream) stop() {
	u.cancel()
	<-u.done
	if !u.closed {
		u.forget = time.AfterFunc(live.Memory, u.forgetAll)
	}
}

func (u *Upstream) forgetAll() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.watchers == 0 {
		u.Feed.Forget()
	}
}

// Hold watches for a query that does not stream, for two minutes from its last call.
func (u *Upstream) Hold(query string, colors []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	until := time.Now().Add(lease)
	if h := u.leases[query]; h != nil {
		h.until = until
		h.timer.Reset(lease)
		return
	}
	if u.closed || len(u.leases) >= maxLeases {
		return
	}
	u.leases[query] = &held{
		until: until, release: u.watch(colors),
		timer: time.AfterFunc(lease, func() { u.expire(query) }),
	}
}

func (u *Upstream) expire(query string) {
	u.mu.Lock()
	h := u.leases[query]
	if h == nil || time.Now().Before(h.until) { // called again while the timer was going off
		u.mu.Unlock()
		return
	}
	delete(u.leases, query)
	u.mu.Unlock()
	h.release()
}

// Watchers is how many there are, queries among them.
func (u *Upstream) Watchers() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.watchers
}

// Close ends the leases, and lets nobody watch any more. Who watches still goes on until the release.
func (u *Upstream) Close() {
	u.mu.Lock()
	u.closed = true
	if u.forget != nil {
		u.forget.Stop()
	}
	var leases []*held
	for query, h := range u.leases {
		h.timer.Stop()
		leases = append(leases, h)
		delete(u.leases, query)
	}
	u.mu.Unlock()
	for _, h := range leases {
		h.release()
	}
}
