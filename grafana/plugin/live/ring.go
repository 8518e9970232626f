package live

import (
	"slices"
	"sync"
	"time"
)

// A Ring keeps the newest rows of a stream: those of the last [Memory], and no more than its limit.
// One goroutine adds; any number read, each at its own pace. Whoever is slow misses what has left
// the ring, and holds up nobody.
type Ring[T interface{ When() int64 }] struct {
	limit int

	mu      sync.Mutex
	rows    []T // those from head on are kept
	head    int
	next    uint64 // how many rows were ever added
	changed chan struct{}
}

func newRing[T interface{ When() int64 }](limit int) *Ring[T] {
	return &Ring[T]{limit: limit, changed: make(chan struct{})}
}

// add appends rows, which nobody may change any more.
func (r *Ring[T]) add(rows ...T) {
	if len(rows) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, rows...)
	r.next += uint64(len(rows))
	oldest := rows[len(rows)-1].When() - int64(Memory)
	drop := r.head
	for len(r.rows)-drop > r.limit || drop < len(r.rows) && r.rows[drop].When() < oldest {
		drop++
	}
	clear(r.rows[r.head:drop])
	if r.head = drop; r.head > len(r.rows)/2 { // half is waste: move the rest to the front
		n := copy(r.rows, r.rows[r.head:])
		clear(r.rows[n:])
		r.rows, r.head = r.rows[:n], 0
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// clear drops all rows and their memory.
func (r *Ring[T]) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows, r.head = nil, 0
}

// After gives the rows since a position, the position after them, and a channel that is closed when
// there are more. Position 0 gives all that are kept.
func (r *Ring[T]) After(position uint64) (rows []T, next uint64, changed <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	kept := r.rows[r.head:]
	if behind := r.next - position; behind < uint64(len(kept)) {
		kept = kept[uint64(len(kept))-behind:]
	}
	return slices.Clone(kept), r.next, r.changed
}

// Since gives the rows from an instant on, and the position after them.
func (r *Ring[T]) Since(at time.Time) (rows []T, next uint64) {
	rows, next, _ = r.After(0)
	from := at.UnixNano()
	i := slices.IndexFunc(rows, func(row T) bool { return row.When() >= from })
	if i < 0 {
		return nil, next
	}
	return rows[i:], next
}
