package window

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestIntervals(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 6))
		var v intervals
		var in [100]bool
		for range r.IntN(30) {
			start := r.Int64N(95)
			end := start + 1 + r.Int64N(5)
			v.add(start, end)
			for i := start; i < end; i++ {
				in[i] = true
			}
			for i := range int64(100) {
				if v.overlaps(i, i+1) != in[i] {
					t.Fatalf("seed %d: %v overlaps %d: %v", seed, v, i, !in[i])
				}
			}
			if !slices.IsSortedFunc(v, func(a, b Interval) int {
				if a.End < b.Start {
					return -1
				}
				return 1
			}) {
				t.Fatalf("seed %d: %v is not sorted, disjoint and apart", seed, v)
			}
		}
	}
}

func TestIntervalsAreBounded(t *testing.T) {
	var v intervals
	for i := range int64(maxIntervals + 1) {
		v.add(10*i, 10*i+5)
	}
	if len(v) != maxIntervals || v[0] != (Interval{0, 15}) {
		t.Errorf("%d intervals, the first %v", len(v), v[0])
	}
	v.dropBefore(20)
	if diff := cmp.Diff(Interval{20, 25}, v[0]); diff != "" {
		t.Error(diff)
	}
}
