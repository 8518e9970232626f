// Package pipeline is the way of a message through the worker:
//
//		source ─► Receiver ─► Closer ─► Store ─► spool ─► sender
//
//	  - The [Receiver] decodes messages and adds them to their windows, in the source's goroutine. Nothing in it can
//	    block.
//	  - The [Closer] computes the statistics of closed windows and writes them as lines.
//	  - The [Store] makes lines durable, in the spool, and tells the source what it need not keep any more.
//
// Each is one goroutine; between them are queues, so that a slow disk never holds up the socket. The spool, the
// sender and the source are the caller's: the package declares what it needs of them.
package pipeline

import (
	"log/slog"
	"maps"
	"strings"
	"sync"
	"time"

	"colorstream/generator/message"
	"colorstream/worker/window"
)

// Reasons of the worker's own for which a message is kept aside; the others are those of package message.
const (
	Late          message.Reason = "late"
	Future        message.Reason = "future"
	TooManyColors message.Reason = "max_colors"
)

// maxAside is how much of a refused message is kept.
const maxAside = 4 << 10

// An Aside is a message that could not be counted.
type Aside struct {
	Reason  message.Reason
	Payload string
	At      time.Time
}

// Counts say what became of the messages received: each is in one of Counted, Again and Refused.
type Counts struct {
	Received uint64
	// Counted messages are in a window.
	Counted uint64
	// Again are those that an earlier run had in a window, and that came once more.
	Again   uint64
	Refused map[message.Reason]uint64
	// Forgotten are those among Counted that went down with an earlier run, which was killed before it had saved them.
	Forgotten uint64
	// Closed are the windows closed, and Incomplete those among them that were not heard whole.
	Closed, Incomplete uint64
	// Newest is the source time of the newest message.
	Newest time.Time
	// Ahead is how far the newest message with a time of its own (ts) was ahead of the source's time, and AheadAt
	// when that was; the zero time if there was none.
	Ahead   time.Duration
	AheadAt time.Time
}

// RefusedTotal is the sum of Refused.
func (c Counts) RefusedTotal() (total uint64) {
	for _, n := range c.Refused {
		total += n
	}
	return total
}

// Since is what has been counted after before.
func (c Counts) Since(before Counts) Counts {
	c.Received -= before.Received
	c.Counted -= before.Counted
	c.Again -= before.Again
	c.Forgotten -= before.Forgotten
	c.Closed -= before.Closed
	c.Incomplete -= before.Incomplete
	c.Refused = maps.Clone(c.Refused)
	for reason, n := range before.Refused {
		c.Refused[reason] -= n
	}
	return c
}

// A Receiver takes messages from a source. It implements source.Sink.
type Receiver struct {
	log *slog.Logger
	// aside takes refused messages; it must not block.
	aside func(Aside)
	out   *queue[job]

	mu       sync.Mutex    // held from Begin to End
	clock    Clock         // nil if the source has a time of its own
	behind   time.Duration // what was last said of the clock
	set      *window.Set
	counts   Counts
	at       int64
	ahead    int64 // of the newest message with an event time, ns, which came at aheadAt
	aheadAt  int64
	position string // of the source
	dirty    bool   // the open windows have changed since the last checkpoint
}

// A job is what the Closer gets: windows that have closed, or a checkpoint of the open ones.
type job struct {
	windows []*window.Window
	memory  window.State
	// safe is the source time before which every message is in a closed window, or in none.
	safe     int64
	position string // the source's
	closedAt time.Time
	counts   Counts

	checkpoint *window.State
}

// A Clock tells the time as window.Clock.Read does. A Receiver calls it under its lock.
type Clock interface {
	Read() (now, skipped, behind int64)
}

// NewReceiver makes a Receiver for a set. The clock gives messages their arrival; it is nil for a source whose
// messages have a time of the source's own.
func NewReceiver(log *slog.Logger, set *window.Set, clock Clock, aside func(Aside)) *Receiver {
	return &Receiver{
		log: log, set: set, clock: clock, aside: aside, out: newQueue[job](),
		counts: Counts{Refused: make(map[message.Reason]uint64)},
	}
}

// A SystemClock is the machine's, made never to go backward.
type SystemClock struct {
	clock window.Clock
	base  time.Time
}

// NewSystemClock makes a clock that is at least at start, in nanoseconds since 1970; 0 if it need not be.
func NewSystemClock(start int64) *SystemClock {
	now := time.Now()
	c := &SystemClock{base: now}
	c.clock.Start(max(start, now.UnixNano()), 0)
	return c
}

// Read implements Clock.
func (c *SystemClock) Read() (now, skipped, behind int64) {
	t := time.Now()
	return c.clock.Read(t.UnixNano(), int64(t.Sub(c.base))) // the difference is of monotonic readings
}

// Begin locks the receiver.
func (r *Receiver) Begin() (now int64) {
	r.mu.Lock()
	if r.clock == nil {
		return time.Now().UnixNano()
	}
	now, skipped, behind := r.clock.Read()
	if skipped > 0 {
		r.log.Warn("the clock went forward, or the machine slept: the windows meanwhile are incomplete",
			"by", time.Duration(skipped).Round(time.Millisecond))
		r.set.Gap(now-skipped, now)
	}
	r.watchClock(time.Duration(behind))
	return now
}

// watchClock says when the clock was set back, and when that is made good.
func (r *Receiver) watchClock(behind time.Duration) {
	switch {
	case behind > time.Second && r.behind == 0:
		r.log.Warn("the clock was set back: windows go on from where they were, at half speed, until it has caught up",
			"by", behind.Round(time.Millisecond))
		r.behind = behind
	case behind == 0 && r.behind != 0:
		r.log.Info("the clock has caught up")
		r.behind = 0
	}
}

// End unlocks the receiver.
func (r *Receiver) End() { r.mu.Unlock() }

// Message decodes a message and adds it to its window.
func (r *Receiver) Message(payload string, at int64, again bool) {
	r.counts.Received++
	r.at = at
	m, err := message.Decode(payload)
	if err != nil {
		reason := message.NotJSON
		if e, ok := err.(*message.Error); ok { // not errors.AsType: a flood of these must be cheap
			reason = e.Reason
		}
		r.refuse(reason, payload, at)
		return
	}
	var verdict window.Verdict
	if m.Time.IsZero() {
		verdict = r.set.Add(m.Color, m.Value, at)
	} else {
		event := m.Time.UnixNano()
		r.ahead, r.aheadAt = event-at, at
		verdict = r.set.AddEvent(m.Color, m.Value, at, event)
	}
	switch verdict {
	case window.Added:
		r.counts.Counted++
		r.dirty = true
	case window.Late:
		if again {
			r.counts.Again++
			return
		}
		r.refuse(Late, payload, at)
	case window.Future:
		r.refuse(Future, payload, at)
	case window.TooManyColors:
		r.refuse(TooManyColors, payload, at)
	}
}

func (r *Receiver) refuse(reason message.Reason, payload string, at int64) {
	r.counts.Refused[reason]++
	r.dirty = true // the counts are saved with the windows
	r.aside(Aside{reason, strings.Clone(payload[:min(len(payload), maxAside)]), time.Unix(0, at)})
}

// Position implements source.Sink.
func (r *Receiver) Position(position string) { r.position = position }

// Advance closes the windows that have ended.
func (r *Receiver) Advance(at int64) {
	windows := r.set.Advance(at)
	if len(windows) == 0 {
		return
	}
	r.counts.Closed += uint64(len(windows))
	for _, w := range windows {
		if w.Incomplete {
			r.counts.Incomplete++
		}
	}
	r.dirty = true
	r.out.put(job{windows: windows, memory: r.set.Memory(), safe: r.set.Oldest(), position: r.position, closedAt: time.Now(), counts: r.snapshot()})
}

// Heard implements source.Sink.
func (r *Receiver) Heard(at int64) {
	r.set.Heard(at)
}

// Lost implements source.Sink.
func (r *Receiver) Lost(at int64) {
	r.set.Lost(at)
}

// Checkpoint has the open windows saved, if they have changed since the last time.
func (r *Receiver) Checkpoint() {
	r.Begin()
	defer r.End()
	if !r.dirty {
		return
	}
	r.dirty = false
	state := r.set.Snapshot()
	r.out.put(job{checkpoint: &state, counts: r.snapshot()})
}

// Close tells that no more messages come. The Closer ends when it has done what there is.
func (r *Receiver) Close() { r.out.close() }

// Counts tells what became of the messages so far.
func (r *Receiver) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot()
}

func (r *Receiver) snapshot() Counts {
	c := r.counts
	c.Refused = maps.Clone(c.Refused)
	if r.at != 0 {
		c.Newest = time.Unix(0, r.at)
	}
	if r.aheadAt != 0 {
		c.Ahead, c.AheadAt = time.Duration(r.ahead), time.Unix(0, r.aheadAt)
	}
	return c
}

// Resume goes on counting from where an earlier run was, which keeps the account whole across a restart. It must be
// called before the first message.
func (r *Receiver) Resume(from Counts) {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused := r.counts.Refused
	maps.Copy(refused, from.Refused)
	r.counts = from
	r.counts.Refused = refused
}
