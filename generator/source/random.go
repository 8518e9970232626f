package source

import (
	"math/rand/v2"

	"colorstream/generator/message"
)

// Random makes a message with each call: a colour, a name and a whole number, each drawn evenly. It
// needs at least one colour, one name, and minimum ≤ maximum.
//
// The same seed and settings give the same messages in every run and on every machine: the numbers
// come from math/rand/v2's PCG, whose sequence Go promises to keep, seeded with the seed and a
// constant. A message draws its colour first, then its value, then its name if there is a choice.
func Random(seed uint64, colors, names []string, minimum, maximum int64) func() Record {
	const stream = 0x636f6c6f7273 // "colors"
	random := rand.New(rand.NewPCG(seed, stream))
	return func() Record {
		m := message.Message{Color: colors[random.IntN(len(colors))], Name: names[0]}
		m.Value = float64(minimum + random.Int64N(maximum-minimum+1))
		if len(names) > 1 {
			m.Name = names[random.IntN(len(names))]
		}
		return Record{Message: m}
	}
}
