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
	s.SourceTime = max(s.SourceTime, now)
	s.open = slices.DeleteFunc(s.open, func(w *Window) bool {
		if !w.Written && !s.reached(s.endDue(w)) {
			return false
		}
		final := s.reached(s.finalDue(w))
		if !w.Written || w.Dirty && (final || s.reached(s.correctionDue(w))) {
			w.Incomplete = w.Incomplete || w.Arrivals && s.Gaps.overlaps(w.Start, w.End)
			panes = append(panes, w.pane(final))
			w.Written, w.Dirty = true, false
		}
		if final {
			s.Final.add(w.Start, w.End)
			if w == s.current {
				s.current = nil
			}
		}
		return final
	})
	if s.reached(s.silentFor(s.cfg.Idle + s.cfg.Lateness)) {
		s.Newest = never // whatever comes next may be of any time
	}
	if s.reached(s.silentFor(s.cfg.Idle)) && s.reached(later(s.GapEnd, s.cfg.Idle)) {
		s.InDoubt, s.DoubtEnd = false, never
	}
	oldest, _ := span(s.SourceTime, s.width)
	if len(s.open) > 0 {
		oldest = min(oldest, s.open[0].Start)
	}
	s.Gaps.dropBefore(oldest)
	return panes
}

// reached reports whether source time has come to an instant.
func (s *Set) reached(at int64) bool { return at <= s.SourceTime }

// NextDue gives the source time at which Advance may have something to give although no message
// comes. ok is false if there is nothing to wait for.
func (s *Set) NextDue() (due int64, ok bool) {
	due = 1<<63 - 1
	for _, w := range s.open {
		at := s.finalDue(w)
		switch {
		case !w.Written:
			at = s.endDue(w)
		case w.Dirty:
			at = min(at, s.correctionDue(w))
		}
		due, ok = min(due, at), true
	}
	return due, ok
}

// endDue is the source time at which the watermark has passed the window's end, if no message
// comes.
func (s *Set) endDue(w *Window) int64 {
	if !w.Events || w.End <= s.Newest {
		return w.End
	}
	return max(w.End, s.silentFor(s.cfg.Idle))
}

// finalDue is the source time at which the watermark is so far past the end of a window that
// nothing may come for it any more, if no message comes. Messages without an event time do not
// close a window for those with one: it waits for the watermark of event times too.
func (s *Set) finalDue(w *Window) int64 {
	end := later(w.End, s.cfg.Lateness)
	if end <= s.Newest {
		return end
	}
	heldUntil := later(later(max(w.End, w.First), s.cfg.Lateness), maxHold)
	return max(end, min(s.silentFor(s.cfg.Idle+s.cfg.Lateness), heldUntil))
}

func (s *Set) correctionDue(w *Window) int64 {
	return later(w.DirtyAt, min(correctAfter, s.cfg.Width))
}

// silentFor is the source time at which no message with an event time has come for d.
func (s *Set) silentFor(d time.Duration) int64 { return later(s.LastEvent, d) }

// Oldest is the source time of the first message in any open window: every message before it is in
// a final window, or in none. Without an open window it is how far source time has come.
func (s *Set) Oldest() int64 {
	oldest := s.SourceTime
	for _, w := range s.open {
		oldest = min(oldest, w.First)
	}
	return oldest
}
