package window

import (
	"slices"
	"strings"
	"time"
)

// Config holds a Set's limits. The zero value of a limit means the default.
type Config struct {
	// Width is the windows' width, above zero.
	Width time.Duration
	// Lateness is how far event times may be out of order.
	Lateness time.Duration
	// Idle is how long no message with an event time must have come for their windows to close without one:
	// default 5 s. The lateness is added to it.
	Idle time.Duration
	// Future is how far an event time may be ahead of source time: default one minute.
	Future time.Duration
	// MaxColors is the most colours in a window: default 10 000.
	MaxColors int
	// MaxValues is the most values that a window stores one by one: default 2^24, 128 MiB. Whole numbers from 0
	// to 65 535 are counted, 4096 at a time, and do not fill it. Past it medians are approximate.
	MaxValues int
}

func (c Config) withDefaults() Config {
	if c.Idle == 0 {
		c.Idle = 5 * time.Second
	}
	if c.Future == 0 {
		c.Future = time.Minute
	}
	if c.MaxColors == 0 {
		c.MaxColors = 10_000
	}
	if c.MaxValues == 0 {
		c.MaxValues = 1 << 24
	}
	return c
}

// A Verdict is what became of a message.
type Verdict int

// The verdicts of Set.Add. All but Added leave the message out.
const (
	// Added: the message is in its window.
	Added Verdict = iota
	// Late: its window has closed.
	Late
	// Future: its event time is too far ahead; a wrong clock must not close everyone's windows.
	Future
	// TooManyColors: its window is full of other colours.
	TooManyColors
)

// never is before every instant.
const never = -1 << 63

// A Set is the open windows of a stream, and the record of the closed ones.
type Set struct {
	cfg     Config
	width   int64
	open    []*Window // sorted by Start
	current *Window   // the one that was added to last, or nil
	closed  intervals
	now     int64 // source time

	newest    int64 // event time of the newest message since the last idle time, or never
	lastEvent int64 // source time of the last message with an event time

	deaf     bool  // nothing is heard now
	deafFrom int64 // since when, if deaf
	heardAt  int64 // since when everything is heard, if not deaf
	gaps     intervals
	// Of event times nobody knows which were lost in a gap. The next one to come after it is taken to be where
	// the loss ended: all windows up to its own are incomplete. An idle time after the gap ends the doubt.
	tainted  bool  // that next one is awaited
	taintEnd int64 // the end of its window
}

// NewSet makes an empty set. It hears nothing yet: call Heard when the source is connected.
func NewSet(cfg Config) *Set {
	cfg = cfg.withDefaults()
	return &Set{
		cfg: cfg, width: int64(cfg.Width),
		now: never, newest: never, lastEvent: never,
		deaf: true, deafFrom: never, tainted: true, taintEnd: never,
	}
}

// Add puts a message without an event time, had by the source at the instant at, into its window. The colour's
// memory is not kept.
func (s *Set) Add(color string, value float64, at int64) Verdict {
	w := s.current
	if w == nil || !w.contains(at) {
		if w = s.find(at, at); w == nil {
			return Late
		}
	}
	w.arrivals = true
	return s.addTo(w, color, value)
}

// AddEvent puts a message with an event time into its window.
func (s *Set) AddEvent(color string, value float64, at, event int64) Verdict {
	if event > at && event-at > int64(s.cfg.Future) {
		return Future
	}
	s.lastEvent = max(s.lastEvent, at)
	_, end := span(event, s.width)
	if end <= min(s.eventTime(), at) {
		return Late
	}
	w := s.current
	if w == nil || !w.contains(event) {
		if w = s.find(event, at); w == nil {
			return Late
		}
	}
	s.newest = max(s.newest, event)
	if s.tainted {
		s.tainted, s.taintEnd = false, end
	}
	w.events = true
	return s.addTo(w, color, value)
}

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
	return Added
}

// find gives the open window in which the instant lies, made if it is not there, or nil if it is closed.
func (s *Set) find(instant, at int64) *Window {
	start, end := span(instant, s.width)
	i, found := slices.BinarySearchFunc(s.open, start, func(w *Window, start int64) int {
		switch {
		case w.Start < start:
			return -1
		case w.Start > start:
			return 1
		}
		return 0
	})
	if found {
		s.current = s.open[i]
		return s.current
	}
	if s.closed.overlaps(start, end) {
		return nil
	}
	w := &Window{Start: start, End: end, First: at, colors: make(map[string]*values)}
	s.open = slices.Insert(s.open, i, w)
	s.current = w
	return w
}

// eventTime is how far event time has come.
func (s *Set) eventTime() int64 {
	if s.newest == never {
		return never
	}
	return s.newest - int64(s.cfg.Lateness)
}

// Advance tells that the source has had everything before the instant now, and closes the windows that have
// ended, in the order of their start. An instant before the last one changes nothing.
func (s *Set) Advance(now int64) []*Window {
	s.now = max(s.now, now)
	idle := s.silentSince(s.lastEvent)
	var done []*Window
	s.open = slices.DeleteFunc(s.open, func(w *Window) bool {
		ended := w.End <= s.now && (!w.events || idle || w.End <= s.eventTime())
		if ended {
			done = append(done, w)
		}
		return ended
	})
	for _, w := range done {
		s.closed.add(w.Start, w.End)
		w.Incomplete = w.Incomplete ||
			w.arrivals && (s.gaps.overlaps(w.Start, w.End) || s.deaf && s.deafFrom < w.End) ||
			w.events && w.Start < s.taintEnd
		if w == s.current {
			s.current = nil
		}
	}
	if idle {
		s.newest, s.taintEnd = never, never
		s.tainted = s.tainted && (s.deaf || !s.silentSince(s.heardAt))
	}
	if len(s.open) == 0 {
		s.gaps.dropBefore(s.now - s.width)
	}
	return done
}

// silentSince tells whether the idle time has passed since an instant.
func (s *Set) silentSince(at int64) bool {
	// Unsigned, for the two may be further apart than an int64 holds.
	return s.now >= at && uint64(s.now-at) >= uint64(s.cfg.Idle+s.cfg.Lateness)
}

// Lost tells that nothing is heard since the instant at. Every window that overlaps the time until Heard is
// incomplete, and with it those that hold event times, for nobody knows what was lost of them.
func (s *Set) Lost(at int64) {
	if !s.deaf {
		s.deaf, s.deafFrom, s.tainted = true, at, true
	}
	for _, w := range s.open {
		w.Incomplete = w.Incomplete || w.events
	}
}

// Heard tells that everything is heard from the instant at on.
func (s *Set) Heard(at int64) {
	if s.deaf && s.deafFrom < at {
		s.gaps.add(s.deafFrom, at)
	}
	s.deaf, s.heardAt = false, at
	if at == never {
		s.tainted = false
	}
}

// Gap tells that between two instants nothing was heard, while the source seemed well.
func (s *Set) Gap(from, to int64) {
	deaf := s.deaf
	s.Lost(from)
	if !deaf {
		s.Heard(to)
	}
}

// Open lists the open windows, in the order of their start. They remain the set's.
func (s *Set) Open() []*Window { return s.open }

// Oldest is the source time of the first message in any open window: every message before it is in a closed
// window, or in none. Without an open window it is how far source time has come.
func (s *Set) Oldest() int64 {
	oldest := s.now
	for _, w := range s.open {
		oldest = min(oldest, w.First)
	}
	return oldest
}
