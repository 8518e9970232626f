// Package publish hands messages to Redis: on a Pub/Sub channel, or as entries of a stream. What
// waits when [Publisher.Flush] is called goes as one payload, a message a line; of a stream with
// several partitions, one payload each.
//
// What it promises for every message given to [Publisher.Add]: it is counted exactly once, as
// published, as unacknowledged or as unsent.
//
//   - While Redis cannot be reached, or answers that it cannot now (it loads its data, is out of
//     memory, is a replica …), Flush waits and tries again, in order. It says so once, and once
//     more when it goes on.
//   - Pub/Sub: when the connection breaks between the command and its answer, nobody can tell
//     whether Redis has passed the payload on. It is not sent again, since a message received twice
//     would falsify a statistic, and is counted as unacknowledged. What was certainly not sent is
//     sent again.
//   - Stream: each payload is one XADD with a number of its own in the entry. After a lost answer a
//     script looks for that number and appends the payload only if it is not there, so that each
//     message enters the stream exactly once, as far as Redis keeps what it has acknowledged.
//   - Any other error (no permission, a key of another type) ends Flush with an error.
package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"sync"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/redisurl"
)

// BatchSize is how many messages wait for Flush at most.
const BatchSize = 1000

// Transport is how messages travel through Redis.
type Transport string

// The transports.
const (
	PubSub Transport = "pubsub"
	Stream Transport = "stream"
)

// UnmarshalText accepts no other word.
func (t *Transport) UnmarshalText(text []byte) error {
	switch *t = Transport(text); *t {
	case PubSub, Stream:
		return nil
	}
	return errors.New("is neither pubsub nor stream")
}

// Options say where messages go.
type Options struct {
	Target    redisurl.Target
	Channel   string
	Transport Transport
	// StreamMax is how many messages of this publisher may wait for the worker before Flush does; 0
	// means any number.
	StreamMax int64
	// Partitions is the number of the stream's partitions, 1 if it is 0. Replicas is how many replicas
	// of Redis must have a payload before it counts as published.
	Partitions, Replicas int

	timeout time.Duration // of a read or write; tests make it short
}

// Counts is what has become of the messages so far.
type Counts struct {
	// Published messages were acknowledged by Redis.
	Published uint64
	// NoSubscribers are the published messages that had no receiver (Pub/Sub only).
	NoSubscribers uint64
	// Unacknowledged ones were sent, but the connection broke before the answer (Pub/Sub only), or
	// nobody can tell any more whether they are in the stream.
	Unacknowledged uint64
	// Unsent ones were given up because the program stops.
	Unsent uint64
	// Errors is how many attempts failed; the messages of a failed attempt are tried again.
	Errors uint64
	// Receivers is how many received the newest message (Pub/Sub only).
	Receivers int64
	// StreamWaiting is how many published messages the worker has not committed yet.
	StreamWaiting int64
}

// A Publisher publishes from one goroutine; Counts may be called from any.
type Publisher struct {
	log     *slog.Logger
	state   func(error)
	client  *client
	options Options
	batches []*batch // one, or one for each partition
	run     string   // names the publisher's entries
	address string   // of Redis, without user or password

	mu     sync.Mutex // guards counts
	counts Counts

	checked    bool      // the number of partitions
	down       time.Time // since when nothing can be published; zero when all is well
	backoff    time.Duration
	subscribed bool
}

// A batch is messages that wait for Flush, encoded.
type batch struct {
	key     string
	payload []byte // a message a line
	n       int

	stream streamState
}

func (b *batch) add(m message.Message) {
	if b.n > 0 {
		b.payload = append(b.payload, '\n')
	}
	b.payload = m.AppendJSON(b.payload)
	b.n++
}

func (b *batch) empty() { b.payload, b.n = b.payload[:0], 0 }

// New makes a Publisher. It does not connect yet. A cluster takes streams only. state is told why
// nothing can be published, and nil when it can.
func New(log *slog.Logger, o Options, state func(error)) *Publisher {
	o.Partitions = max(o.Partitions, 1)
	p := &Publisher{
		log: log, state: state, client: newClient(o), options: o, run: rand.Text(),
		address: o.Target.Address(), subscribed: true,
	}
	for i := range o.Partitions {
		key := o.Channel
		if o.Partitions > 1 {
			key = fmt.Sprintf("%s:{%d}", o.Channel, i)
		}
		p.batches = append(p.batches, &batch{key: key})
	}
	return p
}

// Add puts a message at the end of those that wait for Flush. There must not be BatchSize of them
// already.
func (p *Publisher) Add(m message.Message) {
	i := 0
	if n := len(p.batches); n > 1 {
		i = int(crc32.ChecksumIEEE([]byte(m.Color)) % uint32(n))
	}
	p.batches[i].add(m)
}

// Waiting is the number of messages that wait for Flush.
func (p *Publisher) Waiting() (n int) {
	for _, b := range p.batches {
		n += b.n
	}
	return n
}

// Flush publishes what waits. It waits itself for as long as Redis is away, or until ctx ends; an
// answer that is under way then is still waited for, at most for the client's time-outs. It reports
// whether it had to wait for Redis.
func (p *Publisher) Flush(ctx context.Context) (waited bool, err error) {
	if p.Waiting() == 0 {
		return false, nil
	}
	for {
		err := p.send(context.WithoutCancel(ctx))
		if err == nil {
			p.isUp()
			return waited, nil
		}
		waited = true
		p.count(func(c *Counts) { c.Errors++ })
		if err = p.wait(ctx, err); err != nil {
			p.count(func(c *Counts) { c.Unsent += uint64(p.Waiting()) })
			for _, b := range p.batches {
				b.empty()
			}
			return waited, err
		}
	}
}

// send tries to publish all batches, side by side.
func (p *Publisher) send(ctx context.Context) error {
	if p.options.Transport == PubSub {
		return p.publish(ctx, p.batches[0])
	}
	if err := p.checkPartitions(ctx); err != nil {
		return err
	}
	errs := make([]error, len(p.batches))
	var sending sync.WaitGroup
	for i, b := range p.batches {
		if b.n > 0 {
			sending.Go(func() { errs[i] = p.append(ctx, b) })
		}
	}
	sending.Wait()
	return errors.Join(errs...)
}

// publish publishes a batch with one PUBLISH. If the error is nil the batch is empty, and its
// messages counted.
func (p *Publisher) publish(ctx context.Context, b *batch) error {
	receivers, err := p.client.Publish(ctx, b.key, b.payload).Result()
	if err != nil && (answered(err) || p.client.notSent()) {
		return err
	}
	p.count(func(c *Counts) {
		n := uint64(b.n)
		switch {
		case err != nil:
			c.Unacknowledged += n
			c.Errors++
			return
		case receivers == 0:
			c.NoSubscribers += n
		}
		c.Published += n
		c.Receivers = receivers
	})
	if err == nil {
		p.received(receivers)
	}
	b.empty()
	return nil
}

// wait returns when another attempt is due. It ends with an error if ctx does or if the cause will
// not pass by itself.
func (p *Publisher) wait(ctx context.Context, cause error) error {
	if !temporary(cause) {
		return fmt.Errorf("publish to %q on Redis %s: %w", p.options.Channel, p.address, explain(cause))
	}
	p.isDown(cause)
	p.client.Reload(context.WithoutCancel(ctx))
	timer := time.NewTimer(p.backoff)
	defer timer.Stop()
	p.backoff = min(2*p.backoff, 2*time.Second)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

func (p *Publisher) isDown(cause error) {
	p.state(cause)
	if !p.down.IsZero() {
		return
	}
	p.down, p.backoff = time.Now(), 50*time.Millisecond
	p.log.Warn("cannot publish, waiting for Redis", "redis", p.address, "error", cause)
}

func (p *Publisher) isUp() {
	p.state(nil)
	if !p.down.IsZero() {
		p.log.Info("publishing again", "redis",
			p.address, "waited", time.Since(p.down).Round(time.Millisecond))
		p.down = time.Time{}
	}
}

// received says when the channel loses its last subscriber or gets its first.
func (p *Publisher) received(receivers int64) {
	if subscribed := receivers > 0; subscribed != p.subscribed {
		p.subscribed = subscribed
		if subscribed {
			p.log.Info("the channel has subscribers again",
				"channel", p.options.Channel, "receivers", receivers)
		} else {
			p.log.Warn("nobody is subscribed: Redis drops what is published now",
				"channel", p.options.Channel)
		}
	}
}

// Counts returns the counters.
func (p *Publisher) Counts() Counts {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts
}

func (p *Publisher) count(change func(*Counts)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.counts)
}

// Close ends the connections.
func (p *Publisher) Close() error { return p.client.Close() }
