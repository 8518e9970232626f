package window

import (
	"maps"
	"math"
	"slices"
)

// MedianError bounds the error of an approximate median or percentile, relative to the value at its
// rank or, of two, to the larger (a double below the normal ones, 2.2e-308, may be off by more).
const MedianError = 1.0 / 1024

// keyShift drops all but the sign, the exponent and the first nine bits of a double's fraction:
// values with one key lie within a factor of 1+2^-9 of each other, and the middle between them is
// off by at most 2^-10.
const keyShift = 52 - 9

// A sketch stands in for values that a window has no room for: it counts them by their leading
// bits. Their sum, that of their squares, minimum, maximum and count stay exact. Keys are ordered
// like the values.
type sketch struct {
	Counts   map[int32]uint64
	Count    uint64
	Sum      sum
	Squares  *sum // nil if no standard deviation is wanted
	Min, Max float64
}

func newSketch(squares bool) *sketch {
	k := &sketch{Counts: make(map[int32]uint64), Min: math.Inf(1), Max: math.Inf(-1)}
	if squares {
		k.Squares = new(sum)
	}
	return k
}

func (k *sketch) add(f float64) {
	k.Sum.add(f)
	if k.Squares != nil {
		k.Squares.addSquare(f)
	}
	k.Min, k.Max = min(k.Min, f), max(k.Max, f)
	k.Count++
	k.Counts[key(f)]++
}

// addKey counts c values f for percentiles only.
func (k *sketch) addKey(f float64, c uint64) {
	if c > 0 {
		k.Counts[key(f)] += c
	}
}

func (k *sketch) clone() *sketch {
	c := *k
	c.Counts = maps.Clone(k.Counts)
	c.Sum = k.Sum.clone()
	if k.Squares != nil {
		c.Squares = new(k.Squares.clone())
	}
	return &c
}

func (k *sketch) percentile(share, of uint64) float64 {
	var n uint64
	for _, c := range k.Counts {
		n += c
	}
	keys := slices.Sorted(maps.Keys(k.Counts))
	return interpolate(n, share, of, func(rank uint64) float64 {
		for _, key := range keys {
			if rank < k.Counts[key] {
				return middle(key)
			}
			rank -= k.Counts[key]
		}
		return middle(keys[len(keys)-1])
	})
}

// key maps a double to an integer that grows with it.
func key(f float64) int32 {
	bits := math.Float64bits(math.Abs(f)) >> keyShift
	if f < 0 {
		return -int32(bits) - 1
	}
	return int32(bits)
}

// middle is the double halfway between the smallest and the largest with this key.
func middle(key int32) float64 {
	if key < 0 {
		return -middle(-key - 1)
	}
	return math.Float64frombits(uint64(key)<<keyShift | 1<<(keyShift-1))
}
