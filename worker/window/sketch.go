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
// bits. Their sum, that of their squares, minimum, maximum and count stay exact.
type sketch struct {
	Counts       map[uint32]uint64
	Count        uint64
	Sum, Squares sum
	Min, Max     float64
}

func newSketch() *sketch {
	return &sketch{Counts: make(map[uint32]uint64), Min: math.Inf(1), Max: math.Inf(-1)}
}

func (k *sketch) add(f float64) {
	k.Sum.add(f, 1)
	k.Squares.addSquare(f)
	k.Min, k.Max = min(k.Min, f), max(k.Max, f)
	k.Count++
	k.addKey(f, 1)
}

// addKey counts n values f for percentiles only.
func (k *sketch) addKey(f float64, n uint64) { k.Counts[key(f)] += n }

func (k *sketch) clone() *sketch {
	c := *k
	c.Counts = maps.Clone(k.Counts)
	return &c
}

// ranks gives the values by their rank, all of which are from low to high.
func (k *sketch) ranks(low, high float64) func(rank uint64) float64 {
	keys := slices.Sorted(maps.Keys(k.Counts))
	return func(rank uint64) float64 {
		for _, key := range keys {
			if rank < k.Counts[key] {
				return min(max(middle(key), low), high)
			}
			rank -= k.Counts[key]
		}
		return high
	}
}

// key maps a double to an integer that grows with it.
func key(f float64) uint32 { return uint32(order(f) >> keyShift) }

// middle is the double halfway between the smallest and the largest with this key.
func middle(key uint32) float64 {
	bits := uint64(key)<<keyShift | 1<<(keyShift-1)
	if bits>>63 == 0 {
		return math.Float64frombits(^bits)
	}
	return math.Float64frombits(bits &^ (1 << 63))
}
