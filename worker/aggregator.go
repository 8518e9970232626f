package main

import (
	"fmt"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/streamid"
	"colorstream/worker/deadletter"
	"colorstream/worker/source"
	"colorstream/worker/window"
)

// Reasons of the worker's own for which a message is rejected; the others are those of package
// message.
const (
	late          message.Reason = "late"
	future        message.Reason = "future"
	tooManyColors message.Reason = "max_colors"
	noMessage     message.Reason = source.ReasonFields
)

// reasons are all for which a message can be rejected.
func reasons() []message.Reason {
	return append(message.Reasons(), late, future, tooManyColors, noMessage)
}

// While messages come, there is a commit so often: of a stream, whose values are not in it, it is
// cheap, and the counts go by it.
const (
	commitEvery       = time.Second
	commitStreamEvery = 250 * time.Millisecond
)

// An aggregator decodes messages, adds them to their windows, and hands over what is to be
// committed. It is a source.Sink: all of it happens in the source's goroutine, and nothing in it
// waits, but for room when it reads a stream.
type aggregator struct {
	set     *window.Set
	letters *deadletter.Collector
	commits *committer

	// tally is what was not counted yet. Messages of Pub/Sub never come again: they count at once.
	// Those of a stream count when they are committed, for a crash brings them again.
	tally tally

	changed   bool           // since the last hand-over
	panes     []*window.Pane // to be written
	handedAt  time.Time
	handedID  string // the position then
	position  source.Position
	keepParts bool // open windows' values go into commits
	every     time.Duration
	room      func()
}

// Message implements source.Sink.
func (a *aggregator) Message(payload string) {
	for {
		m, n, err := message.Next(payload)
		if err != nil {
			a.failed(err, payload[:n])
		} else {
			a.add(m, payload[:n])
		}
		if payload = payload[n:]; payload == "" {
			break
		}
	}
	a.changed = true
	a.count()
}

func (a *aggregator) add(m message.Message, raw string) {
	var verdict window.Verdict
	if m.Time.IsZero() {
		verdict = a.set.Add(m.Color, m.Value)
	} else {
		event := m.Time.UnixNano()
		a.tally.ahead, a.tally.aheadAt = event-a.set.Now(), a.set.Now()
		verdict = a.set.AddEvent(m.Color, m.Value, event)
	}
	switch verdict {
	case window.Added:
		a.tally.accepted++
	case window.Late:
		a.reject(late, raw)
	case window.Future:
		a.reject(future, raw)
	case window.TooManyColors:
		a.reject(tooManyColors, raw)
	}
}

func (a *aggregator) failed(err error, raw string) {
	reason := message.NotJSON
	if e, ok := err.(*message.Error); ok { // not errors.AsType: a flood of these must be cheap
		reason = e.Reason
	}
	a.reject(reason, raw)
}

func (a *aggregator) reject(reason message.Reason, payload string) {
	a.tally.reject(reason, 1)
	a.letters.Add(deadletter.Letter{
		Reason: string(reason), Payload: payload, At: time.Unix(0, a.set.Now()),
	})
}

// Reject implements source.Sink.
func (a *aggregator) Reject(reason, payload string) {
	a.reject(message.Reason(reason), payload)
	a.changed = true
	a.count()
}

// Gap implements source.Sink.
func (a *aggregator) Gap(from, to int64) {
	a.set.Gap(from, to)
	a.changed = true
}

// Time implements source.Sink: it writes the windows that are due.
func (a *aggregator) Time(at int64, position source.Position) {
	for _, p := range a.set.Advance(at) {
		a.tally.pane(p)
		a.panes = append(a.panes, p)
	}
	a.position = position
	a.count()
	if a.moved() && (len(a.panes) > 0 || a.waits() && time.Since(a.handedAt) >= a.every) {
		a.handOver()
	}
	if a.room != nil {
		a.room()
	}
}

// count counts what may be counted before it is committed.
func (a *aggregator) count() {
	if a.keepParts {
		a.commits.metrics.count(&a.tally)
		clear(a.tally.rejected)
		a.tally = tally{rejected: a.tally.rejected}
	}
}

// moved reports whether a commit is possible. One of a stream has its name from the position: what
// a later look at the same entry brings waits for the next entry, a tick at the latest.
func (a *aggregator) moved() bool { return a.keepParts || a.position.ID != a.handedID }

// waits reports whether there is something to be committed: what has changed, or all that open
// windows hold, since the file that had it is lost.
func (a *aggregator) waits() bool { return a.changed || a.commits.wantsWhole.Load() }

// handOver gives the committer what has changed. The newest state is what counts: it goes with the
// position, and with all parts since the last time.
func (a *aggregator) handOver() {
	h := handover{
		at: time.Now(), panes: a.panes, state: a.set.State(), position: a.position,
		letters: a.letters.Take(),
	}
	// Nothing before the first message of an open window is needed; but the last entry read is: its
	// presence proves that nothing after it was trimmed by others.
	h.trim = fmt.Sprintf("%d-0", a.set.Oldest()/int64(time.Millisecond))
	if streamid.Compare(h.trim, a.position.ID) > 0 {
		h.trim = a.position.ID
	}
	if a.keepParts {
		h.whole = a.commits.wantsWhole.Swap(false)
		h.parts = a.set.Parts(h.whole)
	} else {
		h.tally, a.tally = a.tally, tally{}
	}
	a.changed, a.panes = false, nil
	a.handedAt, a.handedID = time.Now(), a.position.ID
	a.commits.put(h)
}

// close hands over what is left when the source has ended.
func (a *aggregator) close() {
	if a.moved() && (a.waits() || len(a.panes) > 0) {
		a.handOver()
	}
	a.commits.close()
}
