// Package window is the worker's core: it sorts messages into windows of time and computes each window's
// statistics, exactly.
//
// The package is pure: no goroutine, clock, logger or I/O. Instants are nanoseconds since 1970 UTC, given by the
// caller, and all results follow from the calls alone.
//
// A window is half-open, [k·W, (k+1)·W), and aligned to 1970. Two kinds of time decide where a message belongs
// and when a window ends:
//
//   - Source time is when the source had the message: its arrival (Pub/Sub) or its entry's id (streams). It never
//     goes backward. The source tells how far it has come with [Set.Advance].
//   - Event time is what a message carries in its ts. It may lag behind source time by a year and come out of
//     order by as much as the lateness. How far it has come is the newest event time less the lateness; when no
//     message with an event time came for the idle time, all of them are taken to have come.
//
// A window closes when source time has passed its end, and, if it holds messages with an event time, event time
// too. What comes for a closed window is late. A closed window never opens again: the set remembers, as
// intervals, which time it has closed, and [State] carries them across restarts.
//
// Not thread-safe: a Set belongs to one goroutine at a time. A closed [Window] is the caller's alone.
package window

import "slices"

// A Window holds the values of one span of time.
type Window struct {
	// Start and End bound the window: Start belongs to it, End does not.
	Start, End int64
	// First is the source time of the window's first message.
	First int64
	// Incomplete windows were not heard from their start to their end.
	Incomplete bool

	colors   map[string]*values
	stored   int  // values held one by one, for the memory cap
	arrivals bool // it holds messages without an event time
	events   bool // it holds messages with one
}

// Stats are the statistics of one colour in a window.
type Stats struct {
	Color                  string
	Mean, Median, Min, Max float64
	// Sum is the exact sum, rounded once; beyond the range of a double, the largest double.
	Sum   float64
	Count int64
	// Approximate says that the window passed MaxValues: the median has a relative error of at most
	// MedianError. Mean, Min, Max, Sum and Count are exact all the same.
	Approximate bool
}

// Stats computes the statistics of every colour, sorted by colour. It reorders the stored values, so it must be
// the last use of them.
func (w *Window) Stats() []Stats {
	all := make([]Stats, 0, len(w.colors))
	for color, v := range w.colors {
		s := v.stats()
		s.Color = color
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Stats) int {
		if a.Color < b.Color {
			return -1
		}
		return 1 // a map's keys are all different
	})
	return all
}

// Count is the number of messages in the window.
func (w *Window) Count() (n int64) {
	for _, v := range w.colors {
		n += v.count()
	}
	return n
}

// Running computes the statistics so far of an open window, which goes on unharmed.
func (w *Window) Running() []Stats {
	copied := Window{colors: make(map[string]*values, len(w.colors))}
	for color, v := range w.colors {
		copied.colors[color] = v.clone()
	}
	return copied.Stats()
}

func (w *Window) contains(at int64) bool { return w.Start <= at && at < w.End }

// span gives the window of width w in which at lies, rounding down before 1970 too. Its bounds are kept inside
// an int64.
func span(at, width int64) (start, end int64) {
	offset := at % width
	if offset < 0 {
		offset += width
	}
	const minInt, maxInt = -1 << 63, 1<<63 - 1
	if start = at - offset; start > at {
		start = minInt // underflow
	}
	if end = at - offset + width; end < at {
		end = maxInt // overflow
	}
	return start, end
}
