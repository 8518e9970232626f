package source

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// firstBackoff and lastBackoff bound the wait between two attempts to connect.
const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// A PubSub receives Redis Pub/Sub channels.
//
// It uses go-redis's Receive in a loop of its own: the library's Go channel drops messages when it
// is full, and reconnects unseen.
type PubSub struct {
	log      *slog.Logger
	opt      *redis.Options
	channels []string // without a pattern's characters
	patterns []string
	width    time.Duration
	clock    *clock
	state    State

	silentMost time.Duration // shorter in tests

	reconnects atomic.Uint64
	conn       atomic.Pointer[conn]
	// subscribed is true while the channels are received: pings may be written then.
	subscribed atomic.Bool

	// The rest is the receiving goroutine's.
	sink     Sink
	now      int64     // the newest time told
	pongs    uint64    // number of the newest answer on this connection
	ever     bool      // it was subscribed once
	failedAt time.Time // when the loss was said, zero while connected
}

// NewPubSub makes a source for channels; one with *, ? or [ in its name is a pattern, as PSUBSCRIBE
// takes it. The sink learns the time at every multiple of width. It never learns one before start,
// in nanoseconds since 1970: what an earlier run had reached.
func NewPubSub(
	log *slog.Logger, opt *redis.Options, channels []string, width time.Duration, start int64,
	state State,
) *PubSub {
	p := &PubSub{
		log: log, opt: opt, width: width, clock: newClock(log, start), state: state, now: start,
		silentMost: silentMost,
	}
	for _, name := range channels {
		if IsPattern(name) {
			p.patterns = append(p.patterns, name)
		} else {
			p.channels = append(p.channels, name)
		}
	}
	return p
}

// Reconnects is how often the channels were received again after they were lost.
func (p *PubSub) Reconnects() uint64 { return p.reconnects.Load() }

// Run receives until ctx ends. It waits for a Redis that is away.
func (p *PubSub) Run(ctx context.Context, sink Sink) error {
	p.sink = sink
	client := dial(p.opt, func(c *conn) { p.conn.Store(c) })
	defer client.Close()
	defer context.AfterFunc(ctx, p.hangUp)() // Receive does not look at ctx
	var pinger sync.WaitGroup
	defer pinger.Wait()
	pinger.Go(func() { p.ping(ctx) })

	sub := client.Subscribe(ctx)
	defer sub.Close()
	if err := p.subscribe(ctx, sub); err != nil { // Receive tries again
		p.disconnected(err)
	}
	backoff := firstBackoff
	for {
		// A negative time-out spares setting the deadline for each message.
		received, err := sub.ReceiveTimeout(ctx, -1)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			p.disconnected(err)
			Sleep(ctx, backoff)
			backoff = min(2*backoff, lastBackoff)
			continue
		}
		switch received := received.(type) {
		case *redis.Message:
			sink.Message(received.Payload)
		case *redis.Pong:
			p.pong(received.Payload)
		case *redis.Subscription:
			if received.Count == len(p.channels)+len(p.patterns) {
				p.connected()
				backoff = firstBackoff
			}
		}
	}
}

func (p *PubSub) subscribe(ctx context.Context, sub *redis.PubSub) error {
	var errs []error
	if len(p.channels) > 0 {
		errs = append(errs, sub.Subscribe(ctx, p.channels...))
	}
	if len(p.patterns) > 0 {
		errs = append(errs, sub.PSubscribe(ctx, p.patterns...))
	}
	return errors.Join(errs...)
}

func (p *PubSub) connected() {
	if c := p.conn.Load(); c != nil {
		_ = c.SetReadDeadline(time.Time{}) // the one of the handshake would end the connection
	}
	p.pongs = 0
	// later than a border that is now: its window was not received from its start
	p.gap(p.clock.now() + 1)
	p.subscribed.Store(true)
	p.state(nil)
	if p.ever {
		p.reconnects.Add(1)
	}
	p.ever = true
	if !p.failedAt.IsZero() {
		p.log.Info("connected to Redis again", "channel", p.names(),
			"after", time.Since(p.failedAt).Round(time.Millisecond))
		p.failedAt = time.Time{}
		return
	}
	p.log.Info("subscribed", "channel", p.names(), "address", p.opt.Addr)
}

func (p *PubSub) names() string {
	return strings.Join(append(p.channels[:len(p.channels):len(p.channels)], p.patterns...), ",")
}

func (p *PubSub) disconnected(err error) {
	p.subscribed.Store(false)
	if _, answered := errors.AsType[redis.Error](err); answered {
		p.hangUp() // Redis answers, but no: go-redis would keep the connection and wait
	}
	p.gap(p.clock.now())
	p.state(err)
	if p.failedAt.IsZero() {
		p.failedAt = time.Now()
		p.log.Warn("not connected to Redis; trying again", "address", p.opt.Addr, "channel", p.names(),
			"error", err)
	}
}

// gap tells that nothing is known of the time up to an instant.
func (p *PubSub) gap(to int64) {
	to = max(to, p.now)
	p.sink.Gap(p.now, to)
	p.time(to)
}

func (p *PubSub) time(at int64) {
	p.now = max(p.now, at)
	p.sink.Time(p.now, Position{})
}

// hangUp ends the connection from our side, which wakes the receiving goroutine.
func (p *PubSub) hangUp() {
	if c := p.conn.Load(); c != nil {
		_ = c.Close()
	}
}

// Sleep waits for d and reports whether ctx goes on.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
