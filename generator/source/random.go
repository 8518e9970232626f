package source

import (
	"context"
	"math/rand/v2"

	"colorstream/generator/message"
)

// Random makes messages without end: a colour, a name and a whole number, each drawn evenly.
//
// The same seed and settings give the same messages in every run and on every machine: the numbers
// come from math/rand/v2's PCG, whose sequence Go promises to keep, seeded with the seed and a
// constant. A message draws its colour first, then its value, then its name if there is a choice.
type Random struct {
	rand   *rand.Rand
	colors []string
	names  []string
	min    int64
	span   int64
}

// NewRandom needs at least one colour and min ≤ max. Without names, messages have an empty one.
func NewRandom(seed uint64, colors, names []string, minimum, maximum int64) *Random {
	if len(names) == 0 {
		names = []string{""}
	}
	const stream = 0x636f6c6f7273 // "colors"
	return &Random{
		rand:   rand.New(rand.NewPCG(seed, stream)),
		colors: colors, names: names, min: minimum, span: maximum - minimum + 1,
	}
}

// Next never waits and never fails.
func (r *Random) Next(context.Context, bool) (Record, error) {
	m := message.Message{Color: r.colors[r.rand.IntN(len(r.colors))]}
	m.Value = float64(r.min + r.rand.Int64N(r.span))
	m.Name = r.names[0]
	if len(r.names) > 1 {
		m.Name = r.names[r.rand.IntN(len(r.names))]
	}
	return Record{Message: m}, nil
}
