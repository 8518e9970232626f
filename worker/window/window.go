// Package window is the worker's core: it sorts messages into windows of time and computes each
// window's statistics, exactly.
//
// The package is pure: no goroutine, clock, logger or I/O. Instants are nanoseconds since 1970 UTC.
// A [Set] receives an ordered sequence of messages, times and gaps, and its results follow from
// that sequence alone.
//
// A window is half-open, [k·W, (k+1)·W), and aligned to 1970. Two kinds of time decide where a
// message belongs and when a window ends:
//
//   - Source time is the source's own: the id of a stream's entry, or the moment at which Redis
//     answered a ping on the subscribed connection. It comes with the messages, by [Set.Advance],
//     and never goes backward. A message without an event time belongs to source time.
//   - Event time is what a message carries in its ts. Its watermark is the newest event time seen,
//     but never ahead of source time; when no message with an event time came for the idle time,
//     it is source time.
//
// A window is written when the watermark has passed its end. It then stays open for the lateness:
// what comes for it is added, and it is written again. After that it is final and never reopens;
// what comes for it is late. The set remembers, as intervals, which time is final, and [State]
// carries them across restarts.
//
// Not thread-safe: a Set belongs to one goroutine at a time. A [Pane] is the caller's alone.
package window

import (
	"slices"
	"strings"
	"time"

	"colorstream/influxdb/series"
)

// A Window holds the values of one span of time while it is open.
type Window struct {
	Head
	statistics series.Statistics
	colors     map[string]*values
	stored     int  // values held one by one, for the memory cap
	parted     bool // it has not changed since the last Parts
}

// A Pane is what a window held when it was written (Apache Beam's word): on time, or once more with
// late data.
type Pane struct {
	Start, End int64
	Incomplete bool
	// Again says that the window was written before.
	Again bool
	// Final says that the window is closed: nothing of it comes any more.
	Final bool
	// Statistics are those that Stats computes.
	Statistics series.Statistics

	colors map[string]*values
}

// Stats are the statistics of one colour in a window.
type Stats struct {
	Color string
	// Values are those of Config.Statistics, in that order; NaN for what does not exist.
	Values []float64
	Sum    float64
	Count  int64
	// Approximate says that the window passed MaxValues: median and percentiles have a relative error
	// of at most MedianError. All else is exact nevertheless.
	Approximate bool
}

// Stats computes the statistics of every colour, sorted by colour. It uses the pane's values up:
// call it once.
func (p *Pane) Stats() []Stats {
	all := make([]Stats, 0, len(p.colors))
	n := len(p.Statistics)
	room := make([]float64, n*len(p.colors))
	for color, v := range p.colors {
		s := v.stats(p.Statistics, room[:n:n])
		s.Color, room = color, room[n:]
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b Stats) int { return strings.Compare(a.Color, b.Color) })
	return all
}

// Points computes the pane's points, sorted by colour. It uses the pane up, as Stats does.
func (p *Pane) Points() []series.Point {
	points := make([]series.Point, 0, len(p.colors))
	for _, s := range p.Stats() {
		points = append(points, series.Point{
			Color: s.Color, Statistics: p.Statistics, Values: s.Values, Sum: s.Sum, Count: s.Count,
			Complete: !p.Incomplete, Approximate: s.Approximate, Start: time.Unix(0, p.Start),
		})
	}
	return points
}

// Partial computes the statistics so far of an open window, which goes on unharmed.
func (w *Window) Partial() []Stats { return w.pane(false).Stats() }

// pane gives what the window holds now. If it is not final, later additions do not change the
// memory that the two share.
func (w *Window) pane(final bool) *Pane {
	colors := w.colors
	if !final {
		colors = make(map[string]*values, len(w.colors))
		for color, v := range w.colors {
			colors[color] = v.share()
		}
	}
	return &Pane{
		Start: w.Start, End: w.End, Incomplete: w.Incomplete, Again: w.Written, Final: final,
		Statistics: w.statistics, colors: colors,
	}
}

// span gives the window of the width in which the instant lies, rounding down before 1970 too. Its
// bounds are kept inside an int64.
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
