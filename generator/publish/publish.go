// Package publish hands messages to Redis: on a Pub/Sub channel, or as entries of a stream.
//
// What it promises for every message given to [Publisher.Add]: it is counted exactly once, as published, as
// unconfirmed or as unsent.
//
//   - While Redis cannot be reached, or answers that it cannot now (it loads its data, is out of memory, is a
//     replica …), Flush waits and tries again, in order. It says so once, and once more when it goes on.
//   - Pub/Sub: when the connection breaks between the command and its answer, nobody can tell whether Redis has
//     passed the message on. It is not sent again, since a message heard twice would falsify a statistic, and is
//     counted as unconfirmed. What was certainly not sent is sent again.
//   - Stream: each batch is one transaction that also writes the batch's number under a key of this run. After a
//     broken connection that key tells whether the batch is in the stream, so that each message enters it exactly
//     once, as far as Redis itself keeps what it has acknowledged.
//   - Any other refusal (no permission, a key of another type) ends Flush with an error.
package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
)

// Transport is how messages travel through Redis.
type Transport string

// The transports.
const (
	PubSub Transport = "pubsub"
	Stream Transport = "stream"
)

// UnmarshalText refuses every other word.
func (t *Transport) UnmarshalText(text []byte) error {
	switch *t = Transport(text); *t {
	case PubSub, Stream:
		return nil
	}
	return errors.New("is neither pubsub nor stream")
}

// Options say where messages go.
type Options struct {
	// URL is Redis's address, as redis.ParseURL takes it.
	URL       string
	Channel   string
	Transport Transport
	// StreamMax is the length of the stream above which Flush waits; 0 means never.
	StreamMax int64

	timeout time.Duration // of a read or write; tests make it short
}

// Counts is what has become of the messages so far.
type Counts struct {
	// Published messages were acknowledged by Redis.
	Published uint64
	// Unheard ones are the published messages that had no receiver (Pub/Sub only).
	Unheard uint64
	// Unconfirmed ones were sent, but the connection broke before the answer (Pub/Sub only).
	Unconfirmed uint64
	// Unsent ones were given up because the program stops.
	Unsent uint64
	// Errors is how many attempts failed; the messages of a failed attempt are tried again.
	Errors uint64
	// Receivers is how many heard the newest message (Pub/Sub only).
	Receivers int64
	// StreamLength is the number of entries in the stream at the last look.
	StreamLength int64
}

// A Publisher publishes from one goroutine; Counts may be called from any.
type Publisher struct {
	log       *slog.Logger
	state     func(error)
	client    *redis.Client
	dial      *dialing
	transport transport
	batch     *batch
	channel   string

	published, unheard, unconfirmed, unsent, errors atomic.Uint64
	receivers, streamLength                         atomic.Int64

	began   bool      // something was published
	down    time.Time // since when nothing can be; zero when all is well
	backoff time.Duration
	heard   bool
}

// transport is how a batch is sent and what its answers mean.
type transport interface {
	// command makes the command that publishes what the payload holds when it is sent.
	command(*payload) redis.Cmder
	// send tries to publish the batch and leaves in it what is to be tried again. Each message that leaves the
	// batch has been counted. The error is nil if nothing is left.
	send(ctx context.Context, b *batch) error
	// close frees what the transport keeps in Redis.
	close(ctx context.Context) error
}

// New makes a Publisher. It does not connect yet. state is told why nothing can be published, and nil when it can.
func New(log *slog.Logger, o Options, state func(error)) (*Publisher, error) {
	client, dial, err := newClient(o.URL, cmp.Or(o.timeout, 5*time.Second))
	if err != nil {
		return nil, err
	}
	p := &Publisher{log: log, state: state, client: client, dial: dial, channel: o.Channel, heard: true}
	p.transport = &pubsub{p}
	if o.Transport == Stream {
		p.transport = newStream(p, o.StreamMax)
	}
	p.batch = newBatch(p.transport.command)
	return p, nil
}

// Add puts a message at the end of those that wait for Flush. There must not be BatchSize of them already.
func (p *Publisher) Add(m message.Message) { p.batch.add(m) }

// Waiting is the number of messages that wait for Flush.
func (p *Publisher) Waiting() int { return p.batch.n }

// Flush publishes what waits. It waits itself for as long as Redis is away, or until ctx ends; an answer that is
// under way then is still waited for, at most for the client's time-outs. It tells whether it had to wait for Redis.
func (p *Publisher) Flush(ctx context.Context) (waited bool, err error) {
	b := p.batch
	if b.n == 0 {
		return false, nil
	}
	for b.n > 0 {
		err := p.transport.send(context.WithoutCancel(ctx), b)
		if err == nil {
			break
		}
		waited = true
		p.errors.Add(1)
		if err = p.wait(ctx, err); err != nil {
			p.unsent.Add(uint64(b.n))
			b.n = 0
			return waited, err
		}
	}
	p.isUp()
	return waited, nil
}

// wait returns when another attempt is due: a server answers again. It ends with an error if ctx does or if the
// cause will not pass by itself.
func (p *Publisher) wait(ctx context.Context, cause error) error {
	for {
		if !passing(cause) {
			return fmt.Errorf("publish to %q on Redis %s: %w", p.channel, p.Address(), explain(cause))
		}
		p.isDown(cause)
		timer := time.NewTimer(p.backoff)
		select {
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		case <-timer.C:
		}
		p.backoff = min(2*p.backoff, 2*time.Second)
		if cause = p.client.Ping(context.WithoutCancel(ctx)).Err(); cause == nil {
			return nil
		}
	}
}

func (p *Publisher) isDown(cause error) {
	if !p.down.IsZero() {
		return
	}
	p.down, p.backoff = time.Now(), 100*time.Millisecond
	p.state(cause)
	p.log.Warn("cannot publish, waiting for Redis", "redis", p.Address(), "error", cause)
}

func (p *Publisher) isUp() {
	if !p.down.IsZero() {
		p.log.Info("publishing again", "redis", p.Address(), "waited", time.Since(p.down).Round(time.Millisecond))
		p.down = time.Time{}
		p.state(nil)
	} else if !p.began {
		p.state(nil)
	}
	p.began = true
}

// listened says when the channel loses its last receiver or gets its first.
func (p *Publisher) listened(receivers int64) {
	p.receivers.Store(receivers)
	if heard := receivers > 0; heard != p.heard {
		p.heard = heard
		if heard {
			p.log.Info("messages are heard again", "channel", p.channel, "receivers", receivers)
		} else {
			p.log.Warn("nobody listens on the channel: Redis drops what is published now", "channel", p.channel)
		}
	}
}

// Counts is a look at the counters.
func (p *Publisher) Counts() Counts {
	return Counts{
		Published: p.published.Load(), Unheard: p.unheard.Load(), Unconfirmed: p.unconfirmed.Load(),
		Unsent: p.unsent.Load(), Errors: p.errors.Load(),
		Receivers: p.receivers.Load(), StreamLength: p.streamLength.Load(),
	}
}

// Address is where Redis is, without user or password.
func (p *Publisher) Address() string { return p.client.Options().Addr }

// Close ends the connection.
func (p *Publisher) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	var err error
	if p.began && p.down.IsZero() {
		err = p.transport.close(ctx)
	}
	return errors.Join(err, p.client.Close())
}
