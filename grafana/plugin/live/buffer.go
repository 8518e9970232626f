// Package live computes what panels watch: the statistics of the open window as it grows, closed
// windows, a sample of the messages, and their rates. It remembers ten minutes of each, so that a
// panel has something to begin with.
//
// An [Aggregator] takes messages and makes rows of them. A [Buffer] holds the rows; anyone may read
// it. Rows never change once they are in the buffer, so all readers share them. The windows are
// those of package window, with the worker's arithmetic.
//
// Instants are nanoseconds since 1970 UTC. The package does not know where messages come from nor
// who watches.
package live

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"colorstream/worker/window"
)

const (
	// Memory is how much of each stream is kept.
	Memory = 10 * time.Minute
	// PartialEvery is how often the open window is looked at.
	PartialEvery = 250 * time.Millisecond
	// SampleEvery is how often sampled messages are handed on, and perSample how many at most.
	SampleEvery = 100 * time.Millisecond
	perSample   = 5
	// SampledAbove is the rate of messages a second up to which, evenly spaced, all are shown.
	SampledAbove = perSample * int(time.Second/SampleEvery)
	// ratesEvery is the time in which messages are counted.
	ratesEvery = time.Second
	// MaxShown is how many colours are in the rows, besides those that a panel asks for by name.
	MaxShown  = 50
	maxPinned = 200
	// maxClosed bounds the closed windows that are kept: very narrow windows would be many.
	maxClosed = 2400
)

// A Row is an instant's statistics of each colour that has some, sorted by colour. In rates only
// the count is set: the messages of the second that began at the instant.
type Row struct {
	At    int64
	Stats []window.Stats
}

// When is the row's instant.
func (r Row) When() int64 { return r.At }

// A Sample is one message, and for how many it stands.
type Sample struct {
	At     int64
	Color  string
	Value  float64
	Factor float64
}

// When is the message's instant.
func (s Sample) When() int64 { return s.At }

// A Buffer is what there is to watch.
type Buffer struct {
	// Partial rows follow the open window; a row at a window's end has its final values.
	Partial *Ring[Row]
	// Closed rows are closed windows at their start. Those that may miss messages are left out, since
	// their numbers are not InfluxDB's.
	Closed   *Ring[Row]
	Rates    *Ring[Row]
	Messages *Ring[Sample]

	colors atomic.Pointer[[]string]
	hidden atomic.Int64

	mu     sync.Mutex
	pinned map[string]int
	// wanted is the list of pinned's keys, for the aggregator.
	wanted atomic.Pointer[[]string]
}

// NewBuffer makes an empty buffer.
func NewBuffer() *Buffer {
	minutes := int(Memory / time.Second)
	return &Buffer{
		Partial:  newRing[Row](minutes * int(time.Second/PartialEvery)),
		Closed:   newRing[Row](maxClosed),
		Rates:    newRing[Row](minutes),
		Messages: newRing[Sample](minutes * SampledAbove),
		pinned:   make(map[string]int),
	}
}

// Colors are the colours of the last ten minutes in the order of their first message, at most
// [MaxShown].
func (b *Buffer) Colors() []string {
	if p := b.colors.Load(); p != nil {
		return *p
	}
	return nil
}

// Hidden is how many colours beyond those there are.
func (b *Buffer) Hidden() int { return int(b.hidden.Load()) }

// Pin has colours in the rows whatever else there is, until release is called.
func (b *Buffer) Pin(colors []string) (release func()) {
	b.change(colors, 1)
	return sync.OnceFunc(func() { b.change(colors, -1) })
}

func (b *Buffer) change(colors []string, by int) {
	if len(colors) == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted := make([]string, 0, len(b.pinned)+len(colors))
	for _, c := range colors {
		if b.pinned[c] += by; b.pinned[c] <= 0 {
			delete(b.pinned, c)
		}
	}
	for c := range b.pinned {
		wanted = append(wanted, c)
	}
	slices.Sort(wanted)
	wanted = wanted[:min(len(wanted), maxPinned)]
	b.wanted.Store(&wanted)
}

func (b *Buffer) isPinned(color string) bool {
	p := b.wanted.Load()
	if p == nil {
		return false
	}
	_, found := slices.BinarySearch(*p, color)
	return found
}

// Clear drops all rows.
func (b *Buffer) Clear() {
	b.Partial.clear()
	b.Closed.clear()
	b.Rates.clear()
	b.Messages.clear()
	b.colors.Store(nil)
	b.hidden.Store(0)
}
