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
	"time"

	"colorstream/generator/message"
	"colorstream/generator/source"
)

// shown is how many rejected lines are printed one by one.
const shown = 5

// Counts is what was read and rejected.
type Counts struct {
	Read     int64 // records, the rejected ones among them
	Offset   int64 // bytes of the input that are used up
	Rejected int64
	Reasons  map[message.Reason]int64 // of the rejected ones
	Problems []string                 // of the first of them
}

// A Tally is safe for concurrent use.
type Tally struct {
	start  time.Time
	mu     sync.Mutex // guards counts
	counts Counts
}

// New begins to count now.
func New() *Tally {
	return &Tally{start: time.Now(), counts: Counts{Reasons: make(map[message.Reason]int64)}}
}

// Read enters a record, which may be rejected.
func (t *Tally) Read(r source.Record) {
	t.mu.Lock()
	t.counts.Read++
	t.counts.Offset = r.Offset
	t.mu.Unlock()
	if r.Rejected != nil {
		t.Reject(r)
	}
}

// Reject enters that a record that was read is no good, perhaps only after all.
func (t *Tally) Reject(r source.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts.Rejected++
	t.counts.Reasons[r.Rejected.Reason]++
	if len(t.counts.Problems) < shown {
		t.counts.Problems = append(t.counts.Problems, r.Problem())
	}
}

// Counts returns the counts so far.
func (t *Tally) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Reasons = maps.Clone(c.Reasons)
	return c
}

// Elapsed is the time since New.
func (t *Tally) Elapsed() time.Duration { return time.Since(t.start) }

// A Sum is a line of what Print writes. The note is left out if the count is 0.
type Sum struct {
	Name  string
	Count int64
	Note  string
}

// Print writes the counts for a person: what was read and rejected, the sums, and the first
// rejected lines.
func (t *Tally) Print(w io.Writer, sums ...Sum) error {
	c := t.Counts()
	rows := []Sum{{Name: "read", Count: c.Read}, {"rejected", c.Rejected, Reasons(c.Reasons)}}
	var text strings.Builder
	for _, s := range append(rows, sums...) {
		if s.Count == 0 {
			s.Note = ""
		}
		line := fmt.Sprintf("%-16s %12d  %s", s.Name, s.Count, s.Note)
		text.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, problem := range c.Problems {
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
