package redis

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

var errSilent = errors.New("it does not answer a ping")

// pubsub receives a channel. go-redis's Receive is called in a loop of our own: the library's Go channel drops
// messages when it is full, and reconnects unseen.
type pubsub struct {
	source *Source
	sink   Sink
	conn   atomic.Pointer[conn]

	// The rest is the receiving goroutine's.
	at     int64 // when the newest bytes came
	next   int64 // when the sink wants its tick
	quiet  time.Time
	pinged bool
	failed time.Time // when Redis was lost, if it is
	known  bool      // it was there before
}

func (p *pubsub) run(ctx context.Context) {
	opt := *p.source.opt
	opt.ReadBufferSize = readBuffer
	plain := goredis.NewDialer(&opt)
	opt.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := plain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: nc, p: p}
		p.conn.Store(c)
		return c, nil
	}
	client := goredis.NewClient(&opt)
	defer client.Close()
	defer context.AfterFunc(ctx, p.hangUp)() // a read does not look at ctx

	sub := client.Subscribe(ctx)
	defer sub.Close()
	if err := sub.Subscribe(ctx, p.source.cfg.Channel); err != nil && ctx.Err() == nil { // Receive tries again
		p.lost(err)
	}
	backoff := firstBackoff
	for ctx.Err() == nil {
		// A negative time-out leaves the connection's deadlines to conn.
		received, err := sub.ReceiveTimeout(ctx, -1)
		if err != nil {
			if ctx.Err() != nil {
				return
			}
			p.lost(err)
			sleep(ctx, backoff, p.sink.Now, p.sink)
			backoff = min(2*backoff, lastBackoff)
			continue
		}
		switch received := received.(type) {
		case *goredis.Message:
			p.sink.Message(received.Payload, p.at)
		case *goredis.Subscription:
			p.heard()
			backoff = firstBackoff
		}
	}
}

func (p *pubsub) heard() {
	p.at = p.sink.Now()
	p.sink.Heard(p.at)
	p.next, p.quiet, p.pinged = 0, time.Now(), false
	if c := p.conn.Load(); c != nil {
		c.ticking = true
	}
	if p.failed.IsZero() {
		p.source.log.Info("subscribed to Redis", "address", p.source.opt.Addr, "channel", p.source.cfg.Channel)
	} else {
		p.source.log.Info("Redis is back", "address", p.source.opt.Addr, "channel", p.source.cfg.Channel,
			"away", time.Since(p.failed).Round(time.Millisecond).String())
	}
	p.failed, p.known = time.Time{}, true
}

func (p *pubsub) lost(err error) {
	if _, refused := errors.AsType[goredis.Error](err); refused {
		p.hangUp() // Redis answers, but no: go-redis would keep the connection and wait
	}
	if p.at == 0 {
		p.at = p.sink.Now()
	}
	p.sink.Lost(p.at)
	if p.failed.IsZero() {
		p.failed = time.Now()
		if !p.known { // else the settings are right
			err = p.source.explain(err)
		}
		p.source.log.Warn("Redis is away; trying again until it is back", "address", p.source.opt.Addr,
			"channel", p.source.cfg.Channel, "error", err.Error())
	}
}

func (p *pubsub) hangUp() {
	if c := p.conn.Load(); c != nil {
		_ = c.Close()
	}
}

// tick makes the sink's tick if it is due, and tells how long to wait for the next.
func (p *pubsub) tick(c net.Conn) (time.Duration, error) {
	now := p.sink.Now()
	if now >= p.next {
		p.next = p.sink.Tick(now)
		switch silent := time.Since(p.quiet); {
		case silent > 2*p.source.pingEvery:
			return 0, errSilent
		case silent > p.source.pingEvery && !p.pinged:
			p.pinged = true
			_ = c.SetWriteDeadline(time.Now().Add(p.source.pingEvery))
			_, _ = c.Write([]byte("*1\r\n$4\r\nPING\r\n")) // a failure shows as silence
		}
	}
	return time.Duration(p.next - now), nil
}

// A conn wakes up from a read, unseen by its reader, when the sink wants a tick: a time-out that go-redis saw could
// cut a reply in two.
type conn struct {
	net.Conn
	p *pubsub
	// ticking is set when the channel is received; before that a read is an ordinary one.
	ticking bool
}

func (c *conn) Read(b []byte) (int, error) {
	for c.ticking {
		wait, err := c.p.tick(c.Conn)
		if err != nil {
			return 0, err
		}
		_ = c.SetReadDeadline(time.Now().Add(wait)) // a closed connection's Read tells
		n, err := c.Conn.Read(b)
		if n > 0 {
			c.p.at, c.p.quiet, c.p.pinged = c.p.sink.Now(), time.Now(), false
			return n, err
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
	return c.Conn.Read(b)
}
