package window

import "slices"

// A State is what a Set must remember across a restart besides the values of its open windows, in a
// form that encoding/json can write. All instants are nanoseconds since 1970.
//
//	{"now":…,"newest":…,"last_event":…,"ahead":…,"final":[{"start":…,"end":…}],"gaps":[],
//	 "gap_end":…,"in_doubt":false,"doubt_end":…,"open":[{"start":…,"end":…,"first":…,…}]}
type State struct {
	clocks
	Open []Head `json:"open"`
}

// clocks are how far the times of a set have come, and what it must not forget of earlier ones.
type clocks struct {
	SourceTime int64 `json:"now"`
	// Newest is the newest event time since the last idle time, or never; LastEvent is the source time
	// of the last message with an event time.
	Newest    int64 `json:"newest"`
	LastEvent int64 `json:"last_event"`
	// Ahead is how far event times have been ahead of source time at most.
	Ahead int64 `json:"ahead"`
	// Final is the time whose windows are final.
	Final intervals `json:"final"`
	// Gaps are source time in which messages may have been missed, and GapEnd the end of the newest.
	Gaps   intervals `json:"gaps"`
	GapEnd int64     `json:"gap_end"`
	// InDoubt: messages with event times that a gap took may belong to any window up to some event
	// time. The next such message tells to which: see AddEvent. If none comes for the idle time, none
	// was lost. Windows that begin before DoubtEnd may miss messages with event times.
	InDoubt  bool  `json:"in_doubt"`
	DoubtEnd int64 `json:"doubt_end"`
}

// A Head is an open window without its values.
type Head struct {
	// Start and End bound the window: Start belongs to it, End does not.
	Start int64 `json:"start"`
	End   int64 `json:"end"`
	// First is the source time of the window's first message, and Count how many it has.
	First int64 `json:"first"`
	Count int64 `json:"count"`
	// Incomplete windows may miss messages.
	Incomplete bool `json:"incomplete,omitempty"`
	// Arrivals and Events: it holds messages without an event time, and with one.
	Arrivals bool `json:"arrivals,omitempty"`
	Events   bool `json:"events,omitempty"`
	// Written: a pane of it was given. Dirty: it has changed since then, at the source time DirtyAt.
	Written bool  `json:"written,omitempty"`
	Dirty   bool  `json:"dirty,omitempty"`
	DirtyAt int64 `json:"dirty_at"`
}

// State gives the set's state. The open windows' values are not in it: they are given back by
// Replay, or by Parts and RestorePart.
func (s *Set) State() State {
	state := State{clocks: s.clocks, Open: make([]Head, len(s.open))}
	state.Final, state.Gaps = slices.Clone(s.Final), slices.Clone(s.Gaps)
	for i, w := range s.open {
		state.Open[i] = w.Head
	}
	return state
}

// Restore makes a set that goes on from a state. Windows of another width than cfg's end as they
// would have; new ones do not overlap what is final.
func Restore(cfg Config, state State) *Set {
	s := NewSet(cfg)
	s.clocks = state.clocks
	s.Final, s.Gaps = slices.Clone(s.Final), slices.Clone(s.Gaps)
	for _, head := range state.Open {
		head.Count = 0 // until the values come
		s.open = append(s.open, s.newWindow(head))
	}
	return s
}

// Check compares the values that the open windows were given back with the state, and returns how
// many are missing. Windows that miss some are incomplete.
func (s *Set) Check(state State) (missing int64) {
	for _, h := range state.Open {
		for _, w := range s.open {
			if w.Start != h.Start || w.Count >= h.Count {
				continue
			}
			missing += h.Count - w.Count
			w.Incomplete = true
			w.change(s.SourceTime)
		}
	}
	return missing
}

// Replay adds a message once more that an earlier set had at the instant at, before its state was
// taken: into a window that was open then, and into no other. event is at for a message without an
// event time.
func (s *Set) Replay(color string, value float64, at, event int64) {
	w := s.lookUp(event)
	if w == nil || at < w.First || // it was late for an earlier window, or for none
		tooFarAhead(event, at) {
		return
	}
	dirty, dirtyAt := w.Dirty, w.DirtyAt
	s.addTo(w, color, value)
	w.Dirty, w.DirtyAt = dirty, dirtyAt // what the state says
}
