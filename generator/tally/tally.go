// Package tally counts the rows of an input, so that nothing is lost unsaid: every row
// that was read is either rejected, with a reason, or in one of the sums of the caller, which Print
// lists.
package tally

import (
	"cmp"
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

	mu       sync.Mutex // guards the fields below
	rejected map[message.Reason]int64
	first    []string
}

// New begins to count now.
func New() *Tally {
	return &Tally{start: time.Now(), rejected: make(map[message.Reason]int64)}
}

// Read enters a record, which may be rejected.
func (t *Tally) Read(r source.Record) {
	t.read.Add(1)
	t.offset.Store(r.Offset)
	if r.Rejected != nil {
		t.Reject(r)
	}
}

// Reject enters that a record that was read is no good, perhaps only after all.
func (t *Tally) Reject(r source.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rejected[r.Rejected.Reason]++
	if len(t.first) < shown {
		t.first = append(t.first, r.Problem())
	}
}

// ReadTotal is the number of records read, the rejected ones among them.
func (t *Tally) ReadTotal() int64 { return t.read.Load() }

// Offset is how many bytes of the input are used up.
func (t *Tally) Offset() int64 { return t.offset.Load() }

// Rejected counts the rejected lines by reason.
func (t *Tally) Rejected() map[message.Reason]int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.rejected)
}

// RejectedTotal is their sum.
func (t *Tally) RejectedTotal() (total int64) {
	for _, n := range t.Rejected() {
		total += n
	}
	return total
}

// Elapsed is the time since New.
func (t *Tally) Elapsed() time.Duration { return time.Since(t.start) }

// FirstRejected says what is wrong with the first rejected line, if there is one.
func (t *Tally) FirstRejected() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.first) == 0 {
		return ""
	}
	return t.first[0]
}

// A Sum is a line of what Print writes. The note is left out if the count is 0.
type Sum struct {
	Name  string
	Count int64
	Note  string
}

// Print writes the counts for a person: what was read and rejected, the sums, and the first
// rejected lines.
func (t *Tally) Print(w io.Writer, sums ...Sum) error {
	var text strings.Builder
	rejected := Sum{"rejected", t.RejectedTotal(), Reasons(t.Rejected())}
	rows := []Sum{{Name: "read", Count: t.ReadTotal()}, rejected}
	for _, s := range append(rows, sums...) {
		if s.Count == 0 {
			s.Note = ""
		}
		line := fmt.Sprintf("%-16s %12d  %s", s.Name, s.Count, s.Note)
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, problem := range t.first {
		text.WriteString("rejected " + problem + "\n")
	}
	_, err := io.WriteString(w, text.String())
	return err
}

// Reasons lists the reasons for rejections, the most frequent first.
func Reasons(rejected map[message.Reason]int64) string {
	var list []string
	for _, reason := range slices.SortedFunc(maps.Keys(rejected), func(a, b message.Reason) int {
		return cmp.Or(cmp.Compare(rejected[b], rejected[a]), cmp.Compare(a, b))
	}) {
		list = append(list, fmt.Sprintf("%s %d", reason, rejected[reason]))
	}
	return strings.Join(list, ", ")
}
