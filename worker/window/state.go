package window

import (
	"cmp"
	"slices"
)

// A State is what a Set must remember across a restart besides the values of its open windows, in a
// form that encoding/json can write. All instants are nanoseconds since 1970.
//
//	{"now":…,"newest":…,"last_event":…,"ahead":…,"final":[{"start":…,"end":…}],"gaps":[],
//	 "gap_end":…,"in_doubt":false,"doubt_end":…,"open":[{"start":…,"end":…,"first":…,…}]}
type State struct {
	Now       int64 `json:"now"`
	Newest    int64 `json:"newest"`
	LastEvent int64 `json:"last_event"`
	Ahead     int64 `json:"ahead"`
	// Final is the time whose windows are final.
	Final    []Interval `json:"final"`
	Gaps     []Interval `json:"gaps"`
	GapEnd   int64      `json:"gap_end"`
	InDoubt  bool       `json:"in_doubt"`
	DoubtEnd int64      `json:"doubt_end"`
	Open     []Head     `json:"open"`
}

// A Head is an open window without its values.
type Head struct {
	Start      int64 `json:"start"`
	End        int64 `json:"end"`
	First      int64 `json:"first"`
	Count      int64 `json:"count"`
	Incomplete bool  `json:"incomplete,omitempty"`
	Arrivals   bool  `json:"arrivals,omitempty"`
	Events     bool  `json:"events,omitempty"`
	Written    bool  `json:"written,omitempty"`
	Dirty      bool  `json:"dirty,omitempty"`
	DirtyAt    int64 `json:"dirty_at"`
}

// State gives the set's state. The open windows' values are not in it: they are given back by
// Replay, or by Parts and RestorePart.
func (s *Set) State() State {
	state := State{
		Now: s.now, Newest: s.newest, LastEvent: s.lastEvent, Ahead: s.ahead,
		Final: slices.Clone(s.final), Gaps: slices.Clone(s.gaps),
		GapEnd: s.gapEnd, InDoubt: s.inDoubt, DoubtEnd: s.doubtEnd,
		Open: make([]Head, 0, len(s.open)),
	}
	for _, w := range s.open {
		state.Open = append(state.Open, Head{
			Start: w.Start, End: w.End, First: w.First, Count: w.count, Incomplete: w.Incomplete,
			Arrivals: w.arrivals, Events: w.events,
			Written: w.written, Dirty: w.dirty, DirtyAt: w.dirtyAt,
		})
	}
	return state
}

// Restore makes a set that goes on from a state. Windows of another width than cfg's end as they
// would have; new ones do not overlap what is final.
func Restore(cfg Config, state State) *Set {
	s := NewSet(cfg)
	s.now, s.newest, s.lastEvent, s.ahead = state.Now, state.Newest, state.LastEvent, state.Ahead
	s.gapEnd, s.inDoubt, s.doubtEnd = state.GapEnd, state.InDoubt, state.DoubtEnd
	for _, i := range state.Final {
		s.final.add(i.Start, i.End)
	}
	for _, i := range state.Gaps {
		s.gaps.add(i.Start, i.End)
	}
	for _, h := range state.Open {
		s.open = append(s.open, &Window{
			Start: h.Start, End: h.End, First: h.First, Incomplete: h.Incomplete,
			arrivals: h.Arrivals, events: h.Events,
			written: h.Written, dirty: h.Dirty, dirtyAt: h.DirtyAt,
			statistics: s.cfg.Statistics, colors: make(map[string]*values),
		})
	}
	slices.SortFunc(s.open, func(a, b *Window) int { return cmp.Compare(a.Start, b.Start) })
	return s
}

// Check compares the values that the open windows were given back with the state, and returns how
// many are missing. Windows that miss some are incomplete.
func (s *Set) Check(state State) (missing int64) {
	for _, h := range state.Open {
		for _, w := range s.open {
			if w.Start != h.Start || w.count >= h.Count {
				continue
			}
			missing += h.Count - w.count
			w.Incomplete = true
			w.change(s.now)
		}
	}
	return missing
}

// Replay adds a message once more that an earlier set had at the instant at, before its state was
// taken: into a window that was open then, and into no other. event is at for a message without an
// event time.
func (s *Set) Replay(color string, value float64, at, event int64) {
	if s.tooFarAhead(event, at) {
		return
	}
	w := s.current
	if w == nil || !w.contains(event) {
		if w = s.lookUp(event); w == nil {
			return
		}
	}
	if at < w.First { // it was late for an earlier window, or for none
		return
	}
	dirty, dirtyAt := w.dirty, w.dirtyAt
	s.addTo(w, color, value)
	w.dirty, w.dirtyAt = dirty, dirtyAt // what the state says
}
