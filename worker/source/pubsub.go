package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// pingEvery is how long a connection may be silent before it is asked whether it lives; after a second such
	// time without an answer it is given up.
	pingEvery = 5 * time.Second
	// tickMost is the longest time between two calls of Sink.Advance.
	tickMost = 100 * time.Millisecond
	// firstBackoff and lastBackoff bound the wait between two attempts to connect.
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
)

// A PubSub receives a Redis Pub/Sub channel.
//
// It uses go-redis's Receive in a loop of its own: the library's Go channel drops messages when it is full, and
// reconnects unseen.
//
// The sink is locked while messages that one read from the socket brought are handed on, and unlocked before the
// next read. In between, a second goroutine tells the sink the time, so that windows close when nothing comes.
type PubSub struct {
	log     *slog.Logger
	opt     *redis.Options
	channel string
	width   time.Duration
	sink    Sink
	state   State

	reconnects atomic.Uint64
	conn       atomic.Pointer[conn]
	// subscribed is true while the channel is received: the pinger then may write to conn.
	subscribed atomic.Bool

	// The rest is the receiving goroutine's.
	locked    bool
	now       int64 // when the sink was locked
	lastHeard int64 // when the connection last brought anything
	everHeard bool
	failed    bool // the loss has been told
	lostAt    time.Time
}

// NewPubSub makes a source for a channel. The sink learns the time at every multiple of width at the latest.
func NewPubSub(log *slog.Logger, opt *redis.Options, channel string, width time.Duration, sink Sink, state State) *PubSub {
	return &PubSub{log: log, opt: opt, channel: channel, width: width, sink: sink, state: state}
}

// Reconnects is how often the channel was received again after it was lost.
func (p *PubSub) Reconnects() uint64 { return p.reconnects.Load() }

// Run receives until ctx ends. It waits for a Redis that is away.
func (p *PubSub) Run(ctx context.Context) error {
	client := dial(p.opt, p.unlock, func(c *conn) { p.conn.Store(c) })
	defer client.Close()
	defer context.AfterFunc(ctx, p.hangUp)() // Receive does not look at ctx

	var helper sync.WaitGroup
	defer helper.Wait()
	helper.Go(func() { p.tick(ctx) })
	helper.Go(func() { p.ping(ctx) })

	sub := client.Subscribe(ctx)
	defer sub.Close()
	defer p.unlock()
	if err := sub.Subscribe(ctx, p.channel); err != nil { // Receive tries again
		p.lost(err)
	}
	backoff := firstBackoff
	for {
		// A negative time-out spares setting the deadline for each message.
		received, err := sub.ReceiveTimeout(ctx, -1)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			p.lost(err)
			sleep(ctx, backoff)
			backoff = min(2*backoff, lastBackoff)
			continue
		}
		switch received := received.(type) {
		case *redis.Message:
			if !p.locked {
				p.lock()
			}
			p.sink.Message(received.Payload, p.now, false)
		case *redis.Subscription:
			p.heard()
			backoff = firstBackoff
		case *redis.Pong:
			p.lock()
		}
	}
}

func (p *PubSub) lock() {
	if !p.locked {
		p.now = p.sink.Begin()
		p.locked = true
	}
	p.lastHeard = p.now
}

// unlock is called before the receiving goroutine waits for anything.
func (p *PubSub) unlock() {
	if p.locked {
		p.locked = false
		p.sink.End()
	}
}

func (p *PubSub) heard() {
	p.lock()
	p.sink.Heard(p.now)
	p.unlock()
	p.subscribed.Store(true)
	p.state(nil)
	if p.everHeard {
		p.reconnects.Add(1)
	}
	p.everHeard = true
	if p.failed {
		p.log.Info("Redis is back", "channel", p.channel, "away", time.Since(p.lostAt).Round(time.Millisecond))
		p.failed = false
		return
	}
	p.log.Info("subscribed", "channel", p.channel, "address", p.opt.Addr)
}

func (p *PubSub) lost(err error) {
	p.subscribed.Store(false)
	if _, refused := errors.AsType[redis.Error](err); refused {
		p.hangUp() // Redis answers, but no: go-redis would keep the connection and wait
	}
	first := p.lastHeard
	p.lock()
	if first == 0 {
		first = p.now
	}
	p.lastHeard = first // nothing was heard
	p.sink.Lost(first)
	p.unlock()
	p.state(err)
	if !p.failed {
		p.failed, p.lostAt = true, time.Now()
		p.log.Warn("Redis is away; trying again until it is back", "address", p.opt.Addr, "channel", p.channel, "error", err)
	}
}

// hangUp ends the connection from our side, which wakes the receiving goroutine.
func (p *PubSub) hangUp() {
	if c := p.conn.Load(); c != nil {
		_ = c.Close()
	}
}

// tick tells the sink the time: at every multiple of the width, and otherwise now and then.
func (p *PubSub) tick(ctx context.Context) {
	for ctx.Err() == nil {
		now := p.sink.Begin()
		p.sink.Advance(now)
		p.sink.End()
		untilNext := time.Duration(int64(p.width) - now%int64(p.width))
		sleep(ctx, min(untilNext, tickMost))
	}
}

// ping asks a silent connection whether it lives, and ends it if it does not.
func (p *PubSub) ping(ctx context.Context) {
	var asked *conn
	var seen uint64
	for sleep(ctx, pingEvery) {
		c := p.conn.Load()
		if !p.subscribed.Load() || c == nil {
			asked = nil
			continue
		}
		reads := c.reads.Load()
		if c == asked && reads == seen {
			p.log.Warn("Redis does not answer a ping; connecting anew", "address", p.opt.Addr,
				"error", fmt.Sprintf("nothing received for %v", 2*pingEvery))
			_ = c.Close()
			asked = nil
			continue
		}
		asked, seen = c, reads
		// Written past go-redis, whose PubSub.Ping would also connect, and so read, in this goroutine. The
		// command is whole, and nothing else writes on a subscribed connection.
		_ = c.SetWriteDeadline(time.Now().Add(pingEvery))
		_, _ = c.Write([]byte("*1\r\n$4\r\nPING\r\n")) // a failure shows as silence
	}
}

// sleep waits for d and tells whether ctx goes on.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
