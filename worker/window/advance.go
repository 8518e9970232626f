package window

import (
	"slices"
	"time"
)

const (
	// maxHold is how much longer than the lateness a window is held open for event times that lag
	// behind: without it a sender whose clock stands still would hold its window for ever.
	maxHold = time.Minute
	// correctAfter bounds how often a window with late data is written again.
	correctAfter = time.Second
)

// Advance tells that everything that the source had before the instant now has been added. It gives
// the windows to be written, in the order of their start. An instant before the last one changes
// nothing.
func (s *Set) Advance(now int64) (panes []*Pane) {
	s.now = max(s.now, now)
	s.open = slices.DeleteFunc(s.open, func(w *Window) bool {
		if !w.written && !s.ended(w) {
			return false
		}
		final := s.isFinal(w)
		if !w.written || w.dirty && (final || s.now >= s.correctionDue(w)) {
			w.Incomplete = w.Incomplete || w.arrivals && s.gaps.overlaps(w.Start, w.End)
			panes = append(panes, w.pane(final))
			w.written, w.dirty = true, false
		}
		if final {
			s.final.add(w.Start, w.End)
			if w == s.current {
				s.current = nil
			}
		}
		return final
	})
	if s.silentFor(s.cfg.Idle + s.cfg.Lateness) {
		s.newest = never // whatever comes next may be of any time
	}
	if s.silentFor(s.cfg.Idle) && s.since(s.gapEnd, s.cfg.Idle) {
		s.inDoubt, s.doubtEnd = false, never
	}
	oldest, _ := span(s.now, s.width)
	if len(s.open) > 0 {
		oldest = min(oldest, s.open[0].Start)
	}
	s.gaps.dropBefore(oldest)
	return panes
}

// ended reports whether the watermark has passed the window's end.
func (s *Set) ended(w *Window) bool {
	return w.End <= s.now && (!w.events || w.End <= s.newest || s.silentFor(s.cfg.Idle))
}

// isFinal reports whether the watermark is so far past the end of a window that ended that nothing
// may come for it any more. Messages without an event time do not close a window for those with
// one: it waits for the watermark of event times too.
func (s *Set) isFinal(w *Window) bool {
	end := later(w.End, s.cfg.Lateness)
	return end <= s.now && (end <= s.newest || s.silentFor(s.cfg.Idle+s.cfg.Lateness) ||
		s.now >= s.heldUntil(w))
}

func (s *Set) heldUntil(w *Window) int64 {
	return later(later(max(w.End, w.First), s.cfg.Lateness), maxHold)
}

func (s *Set) correctionDue(w *Window) int64 {
	return later(w.dirtyAt, min(correctAfter, s.cfg.Width))
}

// silentFor reports whether no message with an event time came for d.
func (s *Set) silentFor(d time.Duration) bool { return s.since(s.lastEvent, d) }

// since reports whether d has passed since an instant.
func (s *Set) since(at int64, d time.Duration) bool {
	// Unsigned, for the two may be further apart than an int64 holds.
	return s.now >= at && uint64(s.now-at) >= uint64(d)
}

// NextDue gives the source time at which Advance may have something to give although no message
// comes. ok is false if there is nothing to wait for.
func (s *Set) NextDue() (due int64, ok bool) {
	due = 1<<63 - 1
	for _, w := range s.open {
		at := s.finalDue(w)
		switch {
		case !w.written:
			at = s.endDue(w)
		case w.dirty:
			at = min(at, s.correctionDue(w))
		}
		due, ok = min(due, at), true
	}
	return due, ok
}

func (s *Set) endDue(w *Window) int64 {
	if !w.events || w.End <= s.newest {
		return w.End
	}
	return max(w.End, later(s.lastEvent, s.cfg.Idle))
}

func (s *Set) finalDue(w *Window) int64 {
	end := later(w.End, s.cfg.Lateness)
	if end <= s.newest || s.lastEvent == never {
		return end
	}
	silent := max(end, later(s.lastEvent, s.cfg.Idle+s.cfg.Lateness))
	return max(end, min(silent, s.heldUntil(w)))
}

// Oldest is the source time of the first message in any open window: every message before it is in
// a final window, or in none. Without an open window it is how far source time has come.
func (s *Set) Oldest() int64 {
	oldest := s.now
	for _, w := range s.open {
		oldest = min(oldest, w.First)
	}
	return oldest
}
