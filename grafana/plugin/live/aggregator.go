// Package live computes what panels watch: the statistics of the open window as it grows, closed
// windows, a sample of the messages, and their rates. It remembers ten minutes of each, so that a
// panel has something to begin with.
//
// An [Aggregator] takes messages while somebody watches, and makes rows of them, which anyone may
// read. Rows never change, so all readers share them. The windows are those of package window, with
// the worker's arithmetic.
//
// Instants are nanoseconds since 1970 UTC. The package does not know where messages come from.
package live

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"colorstream/generator/message"
	"colorstream/worker/source"
	"colorstream/worker/window"
)

const (
	// Memory is how much of each stream is kept.
	Memory = 10 * time.Minute
	// partialEvery is how often the open window is looked at.
	partialEvery = int64(250 * time.Millisecond)
	// sampleEvery is how often sampled messages are handed on, and perSample how many at most:
	// evenly spaced, fifty a second are all shown.
	sampleEvery = int64(100 * time.Millisecond)
	perSample   = 5
	// ratesEvery is the time in which messages are counted.
	ratesEvery = int64(time.Second)
	// tickEvery divides all of these.
	tickEvery = int64(50 * time.Millisecond)
	// maxClosed bounds the closed windows that are kept: very narrow windows would be many.
	maxClosed = 2400
	// costly is how many messages a window may have for its statistics so far to be computed each
	// time. Of larger ones they are computed more rarely: they take at most about a tenth of a
	// processor.
	costly = 1 << 20
)

// An Aggregator makes rows of the messages of all partitions. Source time moves the windows; the
// clock only decides when rows are drawn up.
type Aggregator struct {
	// Partial rows follow the open window; a row at a window's end has its final values.
	Partial *Ring
	// Closed rows are closed windows at their start. Those that may miss messages are left out, since
	// their numbers are not InfluxDB's.
	Closed   *Ring
	Rates    *Ring
	Messages *Ring

	limits  window.Config
	now     func() int64
	receive Receive
	watch

	mu         sync.Mutex // guards all below, and the partitions
	colors     colors
	partitions []*Partition
	closed     map[int64]*closing
	slot       slot
	partial    bool  // not all of this second was received
	lastRow    int64 // of Partial
	lastTick   int64
	restUntil  int64 // no statistics so far before, since they cost much
}

// A closing is a window that some partitions have closed.
type closing struct {
	end        int64
	stats      []window.Stats
	incomplete bool
}

// NewAggregator returns one without rows, which rests. Its windows are the worker's if the limits
// are.
func NewAggregator(limits window.Config, receive Receive) *Aggregator {
	memory := int64(Memory)
	return &Aggregator{
		Partial: newRing(int(memory / partialEvery)), Closed: newRing(maxClosed),
		Rates:    newRing(int(memory / ratesEvery)),
		Messages: newRing(int(memory / sampleEvery * perSample)),
		limits:   limits, now: func() int64 { return time.Now().UnixNano() }, receive: receive,
		colors: colors{all: make(map[string]*color), pinned: make(map[string]int)},
		closed: make(map[int64]*closing),
	}
}

// A Partition takes what one goroutine receives, of a part of the colours. It is a [source.Sink].
type Partition struct {
	aggregator *Aggregator
	set        *window.Set
	connected  bool
}

func (a *Aggregator) partition() *Partition {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &Partition{aggregator: a, set: window.NewSet(a.limits)}
	a.partitions = append(a.partitions, p)
	return p
}

// Message takes the messages of a payload. One that cannot be read is left out; the worker makes a
// dead letter of it.
func (p *Partition) Message(payload string) {
	a := p.aggregator
	a.mu.Lock()
	defer a.mu.Unlock()
	for payload != "" {
		m, n, err := message.Next(payload)
		if payload = payload[n:]; err != nil {
			continue
		}
		if m.Time.IsZero() {
			p.set.Add(m.Color, m.Value)
		} else {
			p.set.AddEvent(m.Color, m.Value, m.Time.UnixNano())
		}
		if c := a.colors.see(m.Color, p.set.Now()); c != nil {
			a.slot.add(a.now, c.name, m.Value)
		}
	}
}

// Reject takes what holds no message. The worker makes a dead letter of it.
func (p *Partition) Reject(reason, payload string) {}

// Gap tells that messages of that time may be missing.
func (p *Partition) Gap(from, to int64) {
	p.aggregator.mu.Lock()
	defer p.aggregator.mu.Unlock()
	p.set.Gap(from, to)
}

// State tells whether messages come, nil, or why not.
func (p *Partition) State(err error) {
	a := p.aggregator
	a.mu.Lock()
	defer a.mu.Unlock()
	p.connected, a.partial = err == nil, true
}

// Time closes the windows that have ended.
func (p *Partition) Time(at int64, _ source.Position) {
	a := p.aggregator
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, pane := range p.set.Advance(at) {
		if !pane.Again { // a correction of what was shown is InfluxDB's
			a.addPane(pane)
		}
	}
	a.flush()
}

func (a *Aggregator) addPane(pane *window.Pane) {
	c := a.closed[pane.Start]
	if c == nil {
		c = &closing{end: pane.End}
		a.closed[pane.Start] = c
	}
	c.incomplete = c.incomplete || pane.Incomplete
	c.stats = append(c.stats, a.shown(pane.Stats())...)
}

// flush adds the windows that no partition holds open any more: to Closed those that are complete,
// to Partial the last of them.
func (a *Aggregator) flush() {
	var rows []Row
	for _, start := range slices.Sorted(maps.Keys(a.closed)) {
		if slices.ContainsFunc(a.partitions, func(p *Partition) bool { return p.isOpen(start) }) {
			continue
		}
		c := a.closed[start]
		delete(a.closed, start)
		sortByColor(c.stats)
		if !c.incomplete {
			rows = append(rows, Row{At: start, Stats: c.stats})
		}
		now := a.now()
		at := now - now%int64(time.Millisecond)
		if c.end <= now && now-c.end < partialEvery {
			at = c.end
		}
		a.addPartial(Row{At: at, Stats: c.stats})
	}
	a.Closed.add(rows...)
}

// isOpen reports whether the window that begins at start has messages and was not written.
func (p *Partition) isOpen(start int64) bool {
	return slices.ContainsFunc(p.set.Open(), func(w *window.Window) bool {
		return w.Start == start && !w.Written
	})
}

// tick adds the rows that are due: those whose time has ended since the last tick.
func (a *Aggregator) tick(now int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	due := func(every int64) bool { return now/every > a.lastTick/every }
	if due(sampleEvery) {
		a.Messages.add(a.slot.take()...)
	}
	if due(ratesEvery) {
		a.rates(now)
	}
	if due(partialEvery) && now >= a.restUntil {
		a.partialRow(now)
	}
	a.lastTick = now
}

// partialRow adds a row of the statistics so far of each partition's open window, the latest if
// there are several. Near a window's end the row waits for it to be closed.
func (a *Aggregator) partialRow(now int64) {
	row := Row{At: now - now%partialEvery}
	for _, p := range a.partitions {
		open := p.set.Open()
		if len(open) == 0 || !p.connected {
			continue
		}
		w := open[len(open)-1]
		if w.Written {
			continue
		}
		if now >= w.End && now-w.End < partialEvery {
			return
		}
		row.Stats = append(row.Stats, a.shown(w.Partial())...)
		if n := w.Count; n > costly {
			a.restUntil = now + partialEvery*n/costly
		}
	}
	sortByColor(row.Stats)
	a.addPartial(row)
}

// addPartial keeps the rows' instants apart and in order.
func (a *Aggregator) addPartial(row Row) {
	if row.At > a.lastRow {
		a.lastRow = row.At
		a.Partial.add(row)
	}
}

// shown keeps the statistics of the colours that are shown.
func (a *Aggregator) shown(stats []window.Stats) []window.Stats {
	var kept []window.Stats
	for _, s := range stats {
		if a.colors.isShown(s.Color) {
			s.Values = slices.Clone(s.Values) // else those of all colours are kept with them
			kept = append(kept, s)
		}
	}
	return kept
}

// rates adds the counts of the second that has just ended, none if it was not received whole.
func (a *Aggregator) rates(now int64) {
	row := Row{At: now - now%ratesEvery - ratesEvery}
	connected := len(a.partitions) > 0 &&
		!slices.ContainsFunc(a.partitions, func(p *Partition) bool { return !p.connected })
	whole := connected && !a.partial && a.lastTick >= row.At
	a.partial = !connected
	for _, c := range a.colors.all {
		if whole && a.colors.isShown(c.name) {
			row.Stats = append(row.Stats, window.Stats{Color: c.name, Count: c.count})
		}
		c.count = 0
	}
	sortByColor(row.Stats)
	a.Rates.add(row)
	a.colors.expire(now)
}

func sortByColor(stats []window.Stats) {
	slices.SortFunc(stats, func(a, b window.Stats) int { return strings.Compare(a.Color, b.Color) })
}
