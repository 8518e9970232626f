package live

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// A slot samples the messages of a short time: all if they are few, else as many as it may keep,
// each message with the same chance (Vitter's algorithm R).
type slot struct {
	random *rand.Rand
	kept   []numbered
	n      uint64
}

// numbered remembers the order in which messages came.
type numbered struct {
	number uint64
	sample Sample
}

// add asks for the time only if it keeps the message.
func (s *slot) add(now func() int64, c *color, value float64) {
	s.n++
	i := uint64(len(s.kept))
	if i < perSample {
		s.kept = append(s.kept, numbered{})
	} else if i = s.random.Uint64N(s.n); i >= perSample {
		return
	}
	s.kept[i] = numbered{s.n, Sample{At: now(), Color: c.name, Value: value}}
}

// take empties the slot. Each sample stands for an equal share of the messages.
func (s *slot) take() []Sample {
	slices.SortFunc(s.kept, func(a, b numbered) int { return cmp.Compare(a.number, b.number) })
	out := make([]Sample, len(s.kept))
	for i, m := range s.kept {
		out[i] = m.sample
		out[i].Factor = float64(s.n) / float64(len(s.kept))
	}
	s.kept, s.n = s.kept[:0], 0
	return out
}
