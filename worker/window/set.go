package window

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"colorstream/influxdb/series"
)

// Config holds a Set's limits. The zero value of a limit means the default.
type Config struct {
	// Width is the windows' width, above zero.
	Width time.Duration
	// Lateness is how long a window stays open after its end. There is no default: 0 means that it
	// is final when it ends.
	Lateness time.Duration
	// Idle is how long no message with an event time must have come for the watermark to be source
	// time: default 5 s.
	Idle time.Duration
	// Statistics are what is computed of each colour, beside sum and count: default mean, median, min
	// and max.
	Statistics series.Statistics
	// MaxColors is the most colours in a window: default 10 000.
	MaxColors int
	// MaxValues is the most values that a window stores one by one: default 2^24, 128 MiB. Whole
	// numbers from 0 to 65 535 are counted, 4096 at a time, and do not fill it. Past it medians and
	// percentiles are approximate.
	MaxValues int
}

func (c Config) withDefaults() Config {
	c.Idle = cmp.Or(c.Idle, 5*time.Second)
	if c.Statistics == nil {
		c.Statistics = series.DefaultStatistics()
	}
	c.MaxColors = cmp.Or(c.MaxColors, 10_000)
	c.MaxValues = cmp.Or(c.MaxValues, 1<<24)
	return c
}

// A Verdict is what became of a message.
type Verdict int

// The verdicts of Set.Add. All but Added leave the message out.
const (
	// Added: the message is in its window.
	Added Verdict = iota
	// Late: its window is final.
	Late
	// Future: its event time is too far ahead; a wrong clock must not close everyone's windows.
	Future
	// TooManyColors: its window is full of other colours.
	TooManyColors
)

const (
	// never is before every instant.
	never = -1 << 63
	// maxAhead is how far an event time may be ahead of source time.
	maxAhead = time.Minute
)

// A Set is the open windows of a stream, and the record of the final ones.
type Set struct {
	clocks
	cfg     Config
	width   int64
	open    []*Window // sorted by Start
	current *Window   // the one that was looked up last, or nil
}

// NewSet makes an empty set.
func NewSet(cfg Config) *Set {
	cfg = cfg.withDefaults()
	return &Set{
		cfg: cfg, width: int64(cfg.Width),
		clocks: clocks{
			SourceTime: never, Newest: never, LastEvent: never, GapEnd: never, DoubtEnd: never,
		},
	}
}

// Now is how far source time has come.
func (s *Set) Now() int64 { return s.SourceTime }

// Open lists the open windows, in the order of their start. They remain the set's.
func (s *Set) Open() []*Window { return s.open }

// Add puts a message without an event time into the window of source time. The colour's memory is
// not kept.
func (s *Set) Add(color string, value float64) Verdict {
	w := s.find(s.SourceTime)
	if w == nil {
		return Late
	}
	v := s.addTo(w, color, value)
	w.Arrivals = w.Arrivals || v == Added
	return v
}

// AddEvent puts a message into the window of its event time.
func (s *Set) AddEvent(color string, value float64, event int64) Verdict {
	if tooFarAhead(event, s.SourceTime) {
		return Future
	}
	w := s.lookUp(event)
	if w == nil {
		// A window that has no message yet is final for event times when the watermark says so.
		_, end := span(event, s.width)
		if later(end, s.cfg.Lateness) <= min(s.Newest, s.SourceTime) {
			return Late
		}
		if w = s.find(event); w == nil {
			return Late
		}
	}
	s.Newest, s.LastEvent = max(s.Newest, event), s.SourceTime
	s.Ahead = max(s.Ahead, event-s.SourceTime)
	if s.InDoubt {
		// What the gap took was at most as far ahead as messages ever were, and at most as much newer
		// than this one as messages may be out of order.
		s.InDoubt = false
		lost := max(event, min(later(event, s.cfg.Lateness), later(s.GapEnd, time.Duration(s.Ahead))))
		_, end := span(lost, s.width)
		s.DoubtEnd = max(s.DoubtEnd, end)
	}
	v := s.addTo(w, color, value)
	if v == Added {
		w.Events = true
		w.Incomplete = w.Incomplete || w.Start < s.DoubtEnd
	}
	return v
}

func tooFarAhead(event, at int64) bool { return event > later(at, maxAhead) }

func (s *Set) addTo(w *Window, color string, value float64) Verdict {
	v := w.colors[color]
	if v == nil {
		if len(w.colors) >= s.cfg.MaxColors {
			return TooManyColors
		}
		v = new(values)
		w.colors[strings.Clone(color)] = v
	}
	w.stored += v.add(value, w.stored >= s.cfg.MaxValues)
	w.Count++
	w.parted = false
	w.change(s.SourceTime)
	return Added
}

// change tells that the window differs from its last pane.
func (w *Window) change(at int64) {
	if !w.Dirty {
		w.Dirty, w.DirtyAt = true, at
	}
}

// search gives the place of the open window in which the instant lies, or where it would be.
func (s *Set) search(instant int64) (i int, found bool) {
	return slices.BinarySearchFunc(s.open, instant, func(w *Window, instant int64) int {
		switch {
		case w.End <= instant:
			return -1
		case w.Start > instant:
			return 1
		}
		return 0
	})
}

// lookUp gives the open window in which the instant lies, or nil.
func (s *Set) lookUp(instant int64) *Window {
	if w := s.current; w != nil && w.Start <= instant && instant < w.End {
		return w
	}
	i, found := s.search(instant)
	if !found {
		return nil
	}
	s.current = s.open[i]
	return s.current
}

// find gives the open window in which the instant lies, made if it is not there, or nil if it is
// final.
func (s *Set) find(instant int64) *Window {
	if w := s.lookUp(instant); w != nil {
		return w
	}
	start, end := span(instant, s.width)
	if s.Final.overlaps(start, end) {
		return nil
	}
	i, _ := s.search(instant)
	s.current = s.newWindow(Head{Start: start, End: end, First: s.SourceTime})
	s.open = slices.Insert(s.open, i, s.current)
	return s.current
}

func (s *Set) newWindow(head Head) *Window {
	return &Window{Head: head, statistics: s.cfg.Statistics, colors: make(map[string]*values)}
}

// later adds a duration to an instant, without overflow.
func later(at int64, d time.Duration) int64 {
	if sum := at + int64(d); sum >= at {
		return sum
	}
	return 1<<63 - 1
}

// Gap tells that messages of the source's time from from to to may be missing: the source was not
// connected, or somebody deleted them. Windows that overlap it, and those that it may have taken
// messages with event times from, are incomplete. It does not advance source time.
func (s *Set) Gap(from, to int64) {
	to = max(to, later(from, 1))
	s.Gaps.add(from, to)
	s.GapEnd = max(s.GapEnd, to)
	s.InDoubt = true
	for _, w := range s.open {
		if !w.Incomplete && (w.Events || w.Arrivals && w.Start < to && from < w.End) {
			w.Incomplete = true
			w.change(s.SourceTime) // written as complete: it must be written again
		}
	}
}
