// Package tally counts the rows of an input, so that nothing is lost unsaid: every row
// that was read is either rejected, with a reason, or in one of the sums of the caller, which Print
// lists.
package tally

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

// shown is how many rejected lines are printed one by one.
const shown = 5

// A Tally is written by one goroutine; everyone may read it.
type Tally struct {
	start        time.Time
	read, offset atomic.Int64
	line         atomic.Int64

	mu       sync.Mutex // guards the fields below
	rejected map[message.Reason]int64
	first    []*source.Rejected
}

// New begins to count now.
func New() *Tally {
	return &Tally{start: time.Now(), rejected: make(map[message.Reason]int64)}
}

// Read enters a record that is going to be published.
func (l *Tally) Read(r source.Record) {
	l.read.Add(1)
	if r.Line > 0 {
		l.line.Store(int64(r.Line))
		l.offset.Store(r.Offset)
	}
}

// ReadRejected enters a line that is no message.
func (l *Tally) ReadRejected(r *source.Rejected) {
	l.read.Add(1)
	l.line.Store(int64(r.Line))
	l.offset.Store(r.Offset)
	l.Reject(r)
}

// Reject enters that a record that was read is no good after all.
func (l *Tally) Reject(r *source.Rejected) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rejected[r.Reason]++
	if len(l.first) < shown {
		l.first = append(l.first, r)
	}
}

// ReadTotal is the number of records read, the rejected ones among them.
func (l *Tally) ReadTotal() int64 { return l.read.Load() }

// Offset is how many bytes of the input are used up.
func (l *Tally) Offset() int64 { return l.offset.Load() }

// Line is the number of the newest line.
func (l *Tally) Line() int64 { return l.line.Load() }

// Rejected counts the rejected lines by reason.
func (l *Tally) Rejected() map[message.Reason]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.rejected)
}

// RejectedTotal is their sum.
func (l *Tally) RejectedTotal() (total int64) {
	for _, n := range l.Rejected() {
		total += n
	}
	return total
}

// Elapsed is the time since New.
func (l *Tally) Elapsed() time.Duration { return time.Since(l.start) }

// FirstRejected is the first rejected line, nil if there is none.
func (l *Tally) FirstRejected() *source.Rejected {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.first) == 0 {
		return nil
	}
	return l.first[0]
}

// A Sum is a line of what Print writes. The note is left out if the count is 0.
type Sum struct {
	Name  string
	Count int64
	Note  string
}

// Print writes the counts for a person: what was read and rejected, the sums, and the first
// rejected lines.
func (l *Tally) Print(w io.Writer, sums ...Sum) error {
	var text strings.Builder
	rows := []Sum{{Name: "read", Count: l.ReadTotal()}, {"rejected", l.RejectedTotal(), l.reasons()}}
	for _, s := range append(rows, sums...) {
		if s.Count == 0 {
			s.Note = ""
		}
		line := fmt.Sprintf("%-16s %12d  %s", s.Name, s.Count, s.Note)
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.first {
		fmt.Fprintf(&text, "rejected %v\n", r)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// reasons lists the reasons for rejections, the most frequent first.
func (l *Tally) reasons() (text string) {
	rejected := l.Rejected()
	for _, reason := range slices.SortedFunc(maps.Keys(rejected), func(a, b message.Reason) int {
		return int(rejected[b] - rejected[a])
	}) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s %d", reason, rejected[reason])
	}
	return text
}
