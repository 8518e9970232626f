// Package ledger keeps account of what the generator read, so that nothing is lost unsaid:
//
//	read = published + rejected + unacknowledged + unsent
//
// Package publish counts the others; the ledger prints them all.
package ledger

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/source"
)

// shown is how many refused lines are told one by one.
const shown = 5

// A Ledger is written by one goroutine; everyone may read it.
type Ledger struct {
	start        time.Time
	read, offset atomic.Int64
	line         atomic.Int64

	mu      sync.Mutex // guards the fields below
	refused map[message.Reason]int64
	first   []*source.Refused
}

// New begins the account now.
func New() *Ledger {
	return &Ledger{start: time.Now(), refused: make(map[message.Reason]int64)}
}

// Read enters a record that is going to be published.
func (l *Ledger) Read(r source.Record) {
	l.read.Add(1)
	if r.Line > 0 {
		l.line.Store(int64(r.Line))
		l.offset.Store(r.Offset)
	}
}

// Refuse enters a line that is no message.
func (l *Ledger) Refuse(r *source.Refused) {
	l.read.Add(1)
	l.line.Store(int64(r.Line))
	l.offset.Store(r.Offset)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused[r.Reason]++
	if len(l.first) < shown {
		l.first = append(l.first, r)
	}
}

// ReadTotal is the number of records read, the refused ones among them.
func (l *Ledger) ReadTotal() int64 { return l.read.Load() }

// Offset is how many bytes of the input are used up.
func (l *Ledger) Offset() int64 { return l.offset.Load() }

// Line is the number of the newest line.
func (l *Ledger) Line() int64 { return l.line.Load() }

// Refused counts the refused lines by reason.
func (l *Ledger) Refused() map[message.Reason]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.refused)
}

// RefusedTotal is their sum.
func (l *Ledger) RefusedTotal() (total int64) {
	for _, n := range l.Refused() {
		total += n
	}
	return total
}

// Elapsed is the time since the account began.
func (l *Ledger) Elapsed() time.Duration { return time.Since(l.start) }

// FirstRefused is the first refused line, nil if there is none.
func (l *Ledger) FirstRefused() *source.Refused {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.first) == 0 {
		return nil
	}
	return l.first[0]
}

// Print writes the account for a person: a line for each sum, with a note where the sum is not 0, then the first
// refused lines. Those without subscribers are among the published ones.
func (l *Ledger) Print(w io.Writer, c publish.Counts) error {
	elapsed := l.Elapsed()
	var text strings.Builder
	row := func(name string, n int64, note string) {
		if n == 0 {
			note = ""
		}
		text.WriteString(strings.TrimRight(fmt.Sprintf("%-16s %12d  %s", name, n, note), " ") + "\n")
	}
	row("read", l.ReadTotal(), "")
	row("published", int64(c.Published),
		fmt.Sprintf("in %s, %.0f a second", elapsed.Round(time.Millisecond), float64(c.Published)/elapsed.Seconds()))
	row("  no_subscribers", int64(c.NoSubscribers), "nobody was subscribed when they were published")
	row("rejected", l.RefusedTotal(), l.reasons())
	row("unacknowledged", int64(c.Unacknowledged), "the connection broke before Redis answered; not sent again, so that none is doubled")
	row("unsent", int64(c.Unsent), "given up at the end")
	row("errors", int64(c.Errors), "failed attempts to publish; all that they held is counted above")
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.first {
		fmt.Fprintf(&text, "rejected %v\n", r)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// reasons lists the reasons for refusals, the most frequent first.
func (l *Ledger) reasons() (text string) {
	refused := l.Refused()
	for _, reason := range slices.SortedFunc(maps.Keys(refused), func(a, b message.Reason) int {
		return int(refused[b] - refused[a])
	}) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", reason, refused[reason])
	}
	return text
}
