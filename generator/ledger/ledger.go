// Package ledger keeps account of the rows of an input, so that nothing is lost unsaid: every row that
// was read is either rejected, with a reason, or in one of the sums of the caller, which Print lists.
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
	l.Reject(r)
}

// Reject enters that a record that was read is no good after all.
func (l *Ledger) Reject(r *source.Refused) {
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

// A Sum is a line of the printed account. The note is left out if the count is 0.
type Sum struct {
	Name  string
	Count int64
	Note  string
}

// Print writes the account for a person: what was read and rejected, the sums, and the first rejected
// lines.
func (l *Ledger) Print(w io.Writer, sums ...Sum) error {
	var text strings.Builder
	for _, s := range append([]Sum{{Name: "read", Count: l.ReadTotal()}, {"rejected", l.RefusedTotal(), l.reasons()}}, sums...) {
		if s.Count == 0 {
			s.Note = ""
		}
		text.WriteString(strings.TrimRight(fmt.Sprintf("%-16s %12d  %s", s.Name, s.Count, s.Note), " ") + "\n")
	}
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
