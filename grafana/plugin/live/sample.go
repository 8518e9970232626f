package live

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"colorstream/worker/window"
)

// A slot samples the messages of a short time: all if they are few, else as many as it may keep,
// each message with the same chance (Vitter's algorithm R).
type slot struct {
	kept [perSample]Row
	n    int
}

// add asks for the time only if it keeps the message.
func (s *slot) add(now func() int64, color string, value float64) {
	i := s.n
	if s.n++; i >= perSample {
		if i = rand.IntN(s.n); i >= perSample {
			return
		}
	}
	s.kept[i] = Row{At: now(), Stats: []window.Stats{{Color: color, Sum: value, Count: 1}}}
}

// take empties the slot. Each sample stands for an equal share of the messages.
func (s *slot) take() []Row {
	out := slices.Clone(s.kept[:min(s.n, perSample)])
	slices.SortStableFunc(out, func(a, b Row) int { return cmp.Compare(a.At, b.At) })
	for i := range out {
		out[i].Factor = float64(s.n) / float64(len(out))
	}
	s.n = 0
	return out
}
