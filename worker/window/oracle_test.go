package window

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"time"
)

// An observation is one message of a test.
type observation struct {
	Color string
	Value float64
	At    int64
}

// A result is one colour's statistics in one window.
type result struct {
	Start int64
	Stats Stats
}

// naive is the second opinion on all that the package computes: big rationals, a sort, and a window by floor
// division of big integers. It shares no code with the package.
func naive(observations []observation, width time.Duration) []result {
	type key struct {
		start int64
		color string
	}
	groups := make(map[key][]float64)
	for _, o := range observations {
		k := new(big.Int).Div(big.NewInt(o.At), big.NewInt(int64(width))) // Euclidean: rounds down
		start := k.Mul(k, big.NewInt(int64(width))).Int64()
		groups[key{start, o.Color}] = append(groups[key{start, o.Color}], o.Value)
	}
	var results []result
	for k, values := range groups {
		results = append(results, result{k.start, naiveStats(k.color, values)})
	}
	slices.SortFunc(results, compareResults)
	return results
}

func naiveStats(color string, values []float64) Stats {
	values = slices.Sorted(slices.Values(values))
	total := new(big.Rat)
	for _, v := range values {
		total.Add(total, new(big.Rat).SetFloat64(v))
	}
	half := func(a, b float64) float64 {
		sum := new(big.Rat).Add(new(big.Rat).SetFloat64(a), new(big.Rat).SetFloat64(b))
		f, _ := sum.Mul(sum, big.NewRat(1, 2)).Float64()
		return f
	}
	n := len(values)
	s := Stats{Color: color, Min: values[0], Max: values[n-1], Count: int64(n)}
	s.Sum, _ = total.Float64()
	s.Mean, _ = total.Mul(total, big.NewRat(1, int64(n))).Float64()
	s.Median = half(values[(n-1)/2], values[n/2])
	return s
}

func compareResults(a, b result) int {
	return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Stats.Color, b.Stats.Color))
}

// last lists the statistics of panes as naive does; a later pane of a window replaces an earlier one.
func last(panes []*Pane) []result {
	newest := make(map[int64][]result)
	for _, p := range panes {
		newest[p.Start] = nil
		for _, s := range p.Stats() {
			newest[p.Start] = append(newest[p.Start], result{p.Start, s})
		}
	}
	var all []result
	for _, results := range newest {
		all = append(all, results...)
	}
	slices.SortFunc(all, compareResults)
	return all
}

// near tells whether two doubles are equal but for a rounding.
func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-15*max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) <= 1e-323
}
