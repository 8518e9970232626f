package window

import "slices"

// A State is what a Set must remember across a restart, in a form that encoding/gob and encoding/json can write.
type State struct {
	// Closed is the time whose windows have closed.
	Closed []Interval
	// Now is source time, Newest the newest event time, LastEvent the source time of the last message with one.
	Now, Newest, LastEvent int64
	// Open are the open windows, if they are kept.
	Open []OpenWindow
}

// An OpenWindow is a snapshot of a Window.
type OpenWindow struct {
	Start, End       int64
	First            int64
	Incomplete       bool
	Arrivals, Events bool
	Colors           []OpenValues
}

// OpenValues is a snapshot of one colour's values.
type OpenValues struct {
	Color  string
	Chunks [][]float64
	Counts []uint64
	Sketch *OpenSketch
}

// OpenSketch is a snapshot of a sketch. Parts add up to its sum; of a sum beyond a double's range the rest is in
// Huge, a text of math/big.
type OpenSketch struct {
	Keys     map[int32]uint64
	Count    uint64
	Parts    []float64
	Huge     []byte
	Min, Max float64
}

// Memory gives the set's state without the open windows.
func (s *Set) Memory() State {
	return State{
		Closed: slices.Clone(s.closed), Now: s.now, Newest: s.newest, LastEvent: s.lastEvent,
	}
}

// Snapshot gives the set's state with the open windows. It shares memory with them that they only read until they
// are closed and their Stats are computed: encode the snapshot before that.
func (s *Set) Snapshot() State {
	state := s.Memory()
	for _, w := range s.open {
		o := OpenWindow{
			Start: w.Start, End: w.End, First: w.First, Incomplete: w.Incomplete, Arrivals: w.arrivals, Events: w.events,
		}
		for color, v := range w.colors {
			o.Colors = append(o.Colors, v.snapshot(color))
		}
		state.Open = append(state.Open, o)
	}
	return state
}

func (v *values) snapshot(color string) OpenValues {
	c := v.clone()
	o := OpenValues{Color: color, Chunks: append(c.chunks, c.tail), Counts: c.counts}
	if k := c.sketch; k != nil {
		o.Sketch = &OpenSketch{Keys: k.counts, Count: k.count, Parts: k.sum.parts, Min: k.min, Max: k.max}
		if k.sum.huge != nil {
			o.Sketch.Huge, _ = k.sum.huge.MarshalText() // never fails
		}
	}
	return o
}

// Restore makes of a new set one that goes on from a state. Windows in which nothing was heard for a while are
// incomplete: the set is deaf from the state's Now until Heard. What the set has closed already is left out of
// the state's open windows. It reports an error, and restores the rest, if a sketch cannot be read.
func (s *Set) Restore(state State) error {
	for _, i := range state.Closed {
		s.closed.add(i.Start, i.End)
	}
	if state.Now > s.now {
		s.now, s.newest, s.lastEvent = state.Now, state.Newest, state.LastEvent
		s.deafFrom = state.Now
	}
	var failed error
	for _, o := range state.Open {
		if s.closed.overlaps(o.Start, o.End) {
			continue
		}
		w := s.find(o.Start, o.First)
		w.Incomplete, w.arrivals, w.events = o.Incomplete || o.Events, o.Arrivals, o.Events
		for _, c := range o.Colors {
			v, err := restoreValues(c)
			if err != nil {
				failed = err
				continue
			}
			w.colors[c.Color] = v
			w.stored += len(v.tail) + len(v.chunks)*chunkSize
		}
	}
	return failed
}

func restoreValues(o OpenValues) (*values, error) {
	v := &values{counts: o.Counts}
	for _, chunk := range o.Chunks {
		if len(chunk) == chunkSize {
			v.chunks = append(v.chunks, chunk)
		} else {
			v.tail = append(v.tail, chunk...)
		}
	}
	if o.Sketch == nil {
		return v, nil
	}
	k := &sketch{counts: o.Sketch.Keys, count: o.Sketch.Count, min: o.Sketch.Min, max: o.Sketch.Max}
	k.sum.parts = o.Sketch.Parts
	if len(o.Sketch.Huge) > 0 {
		k.sum.toBig()
		if err := k.sum.huge.UnmarshalText(o.Sketch.Huge); err != nil {
			return nil, err
		}
	}
	v.sketch = k
	return v, nil
}
