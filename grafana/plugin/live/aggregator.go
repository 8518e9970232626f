package live

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"colorstream/generator/message"
	"colorstream/worker/source"
	"colorstream/worker/window"
)

// costly is how many messages a window may have for its statistics so far to be computed each time.
// Of larger ones they are computed more rarely: they take at most about a tenth of a processor.
const costly = 1 << 20

// An Aggregator makes rows of the messages of all partitions. Source time moves the windows; the
// clock only decides when rows are drawn up.
type Aggregator struct {
	buffer *Buffer
	limits window.Config
	now    func() int64

	mu         sync.Mutex // guards all below, and the partitions
	partitions []*Partition
	closed     map[int64]*closing
	colors     colors
	slot       slot
	partial    bool  // not all of this second was received
	lastRow    int64 // of Partial
	dueRow     int64
	dueSlot    int64
	dueRates   int64
}

// A closing is a window that some partitions have closed.
type closing struct {
	end        int64
	stats      []window.Stats
	incomplete bool
}

// NewAggregator returns one that fills a buffer. Its windows are the worker's if the limits are.
func NewAggregator(buffer *Buffer, limits window.Config) *Aggregator {
	return &Aggregator{
		buffer: buffer, limits: limits, closed: make(map[int64]*closing),
		now:    func() int64 { return time.Now().UnixNano() },
		colors: newColors(buffer, time.Now().UnixNano()),
		slot:   slot{random: rand.New(rand.NewPCG(1, 2))},
	}
}

// Run draws up rows until ctx ends.
func (a *Aggregator) Run(ctx context.Context) {
	for {
		now := a.now()
		wait := time.NewTimer(time.Duration(a.tick(now) - now))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
	}
}

// A Partition takes what one goroutine receives, of a part of the colours. It is a [source.Sink].
type Partition struct {
	aggregator *Aggregator
	set        *window.Set
	written    map[int64]bool // the starts of open windows that were written
	at         int64
	connected  bool
}

// Partition returns the next partition's sink.
func (a *Aggregator) Partition() *Partition {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &Partition{aggregator: a, set: window.NewSet(a.limits), written: make(map[int64]bool)}
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
		if c := a.colors.seen(m.Color, p.at); c != nil {
			a.slot.add(a.now, c, m.Value)
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

// Connected tells whether messages come.
func (p *Partition) Connected(ok bool) {
	a := p.aggregator
	a.mu.Lock()
	defer a.mu.Unlock()
	p.connected, a.partial = ok, true
}

// Time closes the windows that have ended.
func (p *Partition) Time(at int64, _ source.Position) {
	a := p.aggregator
	a.mu.Lock()
	defer a.mu.Unlock()
	p.at = at
	for _, pane := range p.set.Advance(at) {
		if !pane.Again { // a correction of what was shown is InfluxDB's
			a.addPane(pane)
		}
		if p.written[pane.Start] = true; pane.Final {
			delete(p.written, pane.Start)
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
	if len(a.closed) == 0 {
		return
	}
	a.colors.publish() // before the rows: their readers ask for it
	var rows []Row
	for _, start := range slices.Sorted(maps.Keys(a.closed)) {
		if slices.ContainsFunc(a.partitions, func(p *Partition) bool { return p.isOpen(start) }) {
			continue
		}
		c := a.closed[start]
		delete(a.closed, start)
		sortByColor(c.stats)
		if !c.incomplete {
			rows = append(rows, Row{start, c.stats})
		}
		now := a.now()
		at := now - now%int64(time.Millisecond)
		if c.end <= now && now-c.end < int64(PartialEvery) {
			at = c.end
		}
		a.addPartial(Row{at, c.stats})
	}
	a.buffer.Closed.add(rows...)
}

// isOpen reports whether the window that begins at start has messages and was not written.
func (p *Partition) isOpen(start int64) bool {
	return !p.written[start] && slices.ContainsFunc(p.set.Open(), func(w *window.Window) bool {
		return w.Start == start
	})
}

// tick adds the rows that are due and returns when the next ones are.
func (a *Aggregator) tick(now int64) (next int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.colors.publish()
	if now >= a.dueSlot {
		a.buffer.Messages.add(a.slot.take()...)
		a.dueSlot = after(now, int64(SampleEvery))
	}
	if now >= a.dueRates {
		if a.dueRates > 0 { // else nothing was received yet
			a.rates(now)
		}
		a.dueRates = after(now, int64(ratesEvery))
	}
	if now >= a.dueRow {
		a.dueRow = after(now, int64(PartialEvery))
		a.partialRow(now)
	}
	return min(a.dueSlot, a.dueRow, a.dueRates)
}

// after returns the first multiple of every after now.
func after(now, every int64) int64 { return now - now%every + every }

// partialRow adds a row of the statistics so far of each partition's open window, the latest if
// there are several. Near a window's end the row waits for it to be closed.
func (a *Aggregator) partialRow(now int64) {
	row := Row{At: now - now%int64(PartialEvery)}
	for _, p := range a.partitions {
		open := p.set.Open()
		if len(open) == 0 || !p.connected {
			continue
		}
		w := open[len(open)-1]
		if p.written[w.Start] {
			continue
		}
		if now >= w.End && now-w.End < int64(PartialEvery) {
			return
		}
		row.Stats = append(row.Stats, a.shown(w.Partial())...)
		if n := w.Count(); n > costly {
			a.dueRow += int64(PartialEvery) * n / costly
		}
	}
	sortByColor(row.Stats)
	a.addPartial(row)
}

// addPartial keeps the rows' instants apart and in order.
func (a *Aggregator) addPartial(row Row) {
	if row.At > a.lastRow {
		a.lastRow = row.At
		a.buffer.Partial.add(row)
	}
}

// shown keeps the statistics of the colours that are shown.
func (a *Aggregator) shown(stats []window.Stats) []window.Stats {
	if len(stats) <= MaxShown && a.buffer.Hidden() == 0 {
		return stats
	}
	kept := make([]window.Stats, 0, MaxShown) // not a part of stats, which would be kept whole
	for _, s := range stats {
		if a.colors.isShown(s.Color) || a.buffer.isPinned(s.Color) {
			kept = append(kept, s)
		}
	}
	return kept
}

// rates adds the counts of the second that has just ended, none if it was not received whole.
func (a *Aggregator) rates(now int64) {
	row := Row{At: after(now, int64(ratesEvery)) - 2*int64(ratesEvery)}
	connected := len(a.partitions) > 0 &&
		!slices.ContainsFunc(a.partitions, func(p *Partition) bool { return !p.connected })
	whole := connected && !a.partial && now-a.dueRates < int64(ratesEvery)
	a.partial = !connected
	for _, c := range a.colors.all {
		if whole && (c.shown || a.buffer.isPinned(c.name)) {
			row.Stats = append(row.Stats, window.Stats{Color: c.name, Count: c.count})
		}
		c.count = 0
	}
	sortByColor(row.Stats)
	a.buffer.Rates.add(row)
	a.colors.expire(now)
}

func sortByColor(stats []window.Stats) {
	slices.SortFunc(stats, func(a, b window.Stats) int { return strings.Compare(a.Color, b.Color) })
}
