package live

import (
	"slices"
	"sync"

	"colorstream/worker/window"
)

// A Row is an instant's statistics of each colour that has some, sorted by colour. In rates only
// the count is set: the messages of the second that began at the instant. A message is a row of its
// colour alone, whose sum is the message's value.
type Row struct {
	At    int64
	Stats []window.Stats
	// Factor says for how many messages this one stands.
	Factor float64
}

// A Ring keeps the newest rows of a stream: those of the last [Memory], and no more than its limit.
// One goroutine adds; any number read, each at its own pace. Whoever is slow misses what has left
// the ring, and holds up nobody.
type Ring struct {
	limit int

	mu      sync.Mutex
	rows    []Row
	next    uint64 // how many rows were ever added
	changed chan struct{}
}

func newRing(limit int) *Ring { return &Ring{limit: limit, changed: make(chan struct{})} }

// add appends rows, which nobody may change any more.
func (r *Ring) add(rows ...Row) {
	if len(rows) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, rows...)
	r.next += uint64(len(rows))
	drop := max(len(r.rows)-r.limit, 0)
	for drop < len(r.rows) && r.rows[drop].At < rows[len(rows)-1].At-int64(Memory) {
		drop++
	}
	clear(r.rows[:drop])
	r.rows = r.rows[drop:]
	close(r.changed)
	r.changed = make(chan struct{})
}

// After gives the rows behind a position that are not before an instant, the position behind them,
// and a channel that is closed when there are more. Position 0 stands before all that are kept.
func (r *Ring) After(
	position uint64, since int64,
) (rows []Row, next uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	rows = r.rows
	if behind := r.next - position; behind < uint64(len(rows)) {
		rows = rows[uint64(len(rows))-behind:]
	}
	first := slices.IndexFunc(rows, func(row Row) bool { return row.At >= since })
	if first < 0 {
		return nil, r.next, r.changed
	}
	return slices.Clone(rows[first:]), r.next, r.changed
}
