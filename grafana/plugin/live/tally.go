package live

import (
	"math/rand/v2"
	"slices"
	"time"

	"colorstream/generator/message"
	"colorstream/worker/window"
)

// costly is how many messages a window may have for its running statistics to be computed each time. Of larger
// ones they are computed more rarely, so that they never take more than about a tenth of a processor.
const costly = 1 << 20

// A Tally makes rows of messages. It belongs to one goroutine.
type Tally struct {
	feed  *Feed
	width int64
	set   *window.Set
	now   int64          // of Now
	panes []*window.Pane // that closed since the last Tick
	deaf  bool
	lost  int64 // since when, if deaf
	// partial says that not all of this second was heard.
	partial bool

	colors colors
	slot   slot

	lastRow  int64 // of Running
	dueRow   int64
	dueSlot  int64
	dueRates int64
}

// NewTally makes one that fills a feed. Its windows are the worker's if the limits are.
func NewTally(feed *Feed, limits window.Config) *Tally {
	return &Tally{
		feed: feed, width: int64(limits.Width), set: window.NewSet(limits), deaf: true, lost: -1 << 63,
		colors: newColors(feed, time.Now().UnixNano()), slot: slot{random: rand.New(rand.NewPCG(1, 2))},
	}
}

// Now is the time for messages whose source has none: the wall clock, which never goes backward here.
func (t *Tally) Now() int64 {
	t.now = max(t.now, time.Now().UnixNano())
	return t.now
}

// Message takes a message that the source had at an instant. One that cannot be read is left out; the worker keeps
// it aside.
func (t *Tally) Message(payload string, at int64) {
	for payload != "" {
		m, n, err := message.Next(payload)
		if payload = payload[n:]; err == nil {
			t.message(m, at)
		}
	}
}

func (t *Tally) message(m message.Message, at int64) {
	t.panes = append(t.panes, t.set.Advance(at)...)
	if m.Time.IsZero() {
		t.set.Add(m.Color, m.Value)
	} else {
		t.set.AddEvent(m.Color, m.Value, m.Time.UnixNano())
	}
	if c := t.colors.seen(m.Color, at); c != nil {
		t.slot.add(at, c, m.Value)
	}
}

// Heard tells that everything is heard from the instant at on.
func (t *Tally) Heard(at int64) {
	if t.deaf {
		t.set.Gap(t.lost, at)
	}
	t.deaf, t.partial = false, true
}

// Lost tells that nothing is heard since the instant at.
func (t *Tally) Lost(at int64) {
	if !t.deaf {
		t.deaf, t.lost = true, at
	}
}

// Tick tells that all messages before the instant now are there. It adds the rows that are due and says when the
// next ones are.
func (t *Tally) Tick(now int64) (next int64) {
	if t.deaf {
		t.set.Gap(t.lost, now)
	}
	closed := append(t.panes, t.set.Advance(now)...)
	t.panes = nil
	t.colors.publish()
	if now >= t.dueSlot {
		t.feed.Messages.add(t.slot.take()...)
		t.dueSlot = after(now, int64(SampleEvery))
	}
	if now >= t.dueRates {
		if t.dueRates > 0 { // else nothing was heard yet
			t.rates(now)
		}
		t.dueRates = after(now, int64(ratesEvery))
	}
	if len(closed) > 0 {
		t.close(closed, now)
	}
	if now >= t.dueRow {
		t.dueRow = after(now, int64(RunningEvery))
		if len(closed) == 0 {
			t.running(now)
		}
	}
	return min(t.dueSlot, t.dueRow, t.dueRates)
}

// after is the first multiple of every after now.
func after(now, every int64) int64 { return now - now%every + every }

// close adds the windows that have closed: to Closed those that were heard whole, to Running the last of them.
func (t *Tally) close(windows []*window.Pane, now int64) {
	rows := make([]Row, 0, len(windows))
	for i, w := range windows {
		stats := t.shown(w.Stats())
		if !w.Incomplete {
			rows = append(rows, Row{w.Start, stats})
		}
		if i < len(windows)-1 {
			continue
		}
		at := now - now%int64(time.Millisecond)
		if w.End <= now && now-w.End < int64(RunningEvery) {
			at = w.End
		}
		t.addRunning(Row{at, stats})
	}
	t.feed.Closed.add(rows...)
}

// running adds a row for the open window, the latest if there are several.
func (t *Tally) running(now int64) {
	row := Row{At: now - now%int64(RunningEvery)}
	if open := t.set.Open(); len(open) > 0 && !t.deaf {
		w := open[len(open)-1]
		row.Stats = t.shown(w.Partial())
		if n := w.Count(); n > costly {
			t.dueRow += int64(RunningEvery) * n / costly
		}
	}
	t.addRunning(row)
}

// addRunning keeps the rows' instants apart and in order.
func (t *Tally) addRunning(row Row) {
	if row.At > t.lastRow {
		t.lastRow = row.At
		t.feed.Running.add(row)
	}
}

// shown keeps the statistics of the colours that are shown.
func (t *Tally) shown(stats []window.Stats) []window.Stats {
	if len(stats) <= MaxShown && t.feed.Hidden() == 0 {
		return stats
	}
	kept := make([]window.Stats, 0, MaxShown) // not a part of stats, which would be kept whole
	for _, s := range stats {
		if t.colors.isShown(s.Color) || t.feed.isAsked(s.Color) {
			kept = append(kept, s)
		}
	}
	return kept
}

// rates adds the counts of the second that has just ended; of one that was not heard whole, none.
func (t *Tally) rates(now int64) {
	row := Row{At: after(now, int64(ratesEvery)) - 2*int64(ratesEvery)}
	whole := !t.deaf && !t.partial && now-t.dueRates < int64(ratesEvery)
	t.partial = t.deaf
	for _, c := range t.colors.all {
		if whole && (c.shown || t.feed.isAsked(c.name)) {
			row.Stats = append(row.Stats, window.Stats{Color: c.name, Count: c.count})
		}
		c.count = 0
	}
	slices.SortFunc(row.Stats, func(a, b window.Stats) int {
		if a.Color < b.Color {
			return -1
		}
		return 1
	})
	t.feed.Rates.add(row)
	t.colors.expire(now)
}
