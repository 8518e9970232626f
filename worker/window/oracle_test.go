package window

import (
	"cmp"
	"math"
	"math/big"
	"slices"
	"time"

	"colorstream/influxdb/series"
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

// naive is the second opinion on all that the package computes: whole numbers of any size, a sort, and a
// window by floor division. It shares no code with the package.
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

// full are the statistics that the tests ask for.
var full = series.Statistics{
	"p99.9", series.Mean, series.Median, series.StdDev, series.Min, series.Max, "p0.0001", "p33.3", "p50", "p95",
}

// of returns one of the full statistics.
func (s Stats) of(name series.Statistic) float64 { return s.Values[slices.Index(full, name)] }

// scale makes whole numbers of all doubles.
const scale = 1074

// naiveStats has the full statistics from whole numbers of any size, each rounded once.
func naiveStats(color string, values []float64) Stats {
	sorted := make([]*big.Int, len(values))
	total := new(big.Int)
	for i, v := range slices.Sorted(slices.Values(values)) {
		r := new(big.Rat).SetFloat64(v)
		sorted[i] = new(big.Int).Lsh(r.Num(), uint(scale+1-r.Denom().BitLen()))
		total.Add(total, sorted[i])
	}
	n := int64(len(values))
	s := Stats{Color: color, Count: n, Sum: quotient(total, big.NewInt(1)), Values: make([]float64, len(full))}
	for i, name := range full {
		switch name {
		case series.Mean:
			s.Values[i] = quotient(total, big.NewInt(n))
		case series.Median:
			s.Values[i] = naivePercentile(sorted, big.NewRat(1, 2))
		case series.Min:
			s.Values[i] = quotient(sorted[0], big.NewInt(1))
		case series.Max:
			s.Values[i] = quotient(sorted[n-1], big.NewInt(1))
		case series.StdDev:
			s.Values[i] = naiveDeviation(sorted, total)
		default:
			p, _ := new(big.Rat).SetString(string(name[1:]))
			s.Values[i] = naivePercentile(sorted, p.Mul(p, big.NewRat(1, 100)))
		}
	}
	return s
}

// quotient divides and undoes the scale.
func quotient(a, b *big.Int) float64 {
	f, _ := new(big.Rat).SetFrac(a, new(big.Int).Lsh(b, scale)).Float64()
	return f
}

// naivePercentile is the text of series.Statistic in rational numbers.
func naivePercentile(sorted []*big.Int, p *big.Rat) float64 {
	h := new(big.Rat).Mul(p, big.NewRat(int64(len(sorted)-1), 1))
	k, rest := new(big.Int).DivMod(h.Num(), h.Denom(), new(big.Int))
	low := sorted[k.Int64()]
	high := sorted[min(k.Int64()+1, int64(len(sorted)-1))]
	step := new(big.Int).Sub(high, low)
	sum := new(big.Int).Mul(low, h.Denom())
	return quotient(sum.Add(sum, step.Mul(step, rest)), h.Denom())
}

// naiveDeviation is the root of the squares of the distances from the mean.
func naiveDeviation(values []*big.Int, total *big.Int) float64 {
	n := big.NewInt(int64(len(values)))
	squares := new(big.Int)
	for _, v := range values {
		d := new(big.Int).Mul(v, n)
		d.Sub(d, total)
		squares.Add(squares, d.Mul(d, d))
	}
	if len(values) == 1 {
		return math.NaN()
	}
	below := new(big.Int).Mul(n, n)
	below.Mul(below, big.NewInt(int64(len(values)-1)))
	root := new(big.Float).SetPrec(300).SetRat(new(big.Rat).SetFrac(squares, below.Lsh(below, 2*scale)))
	f, _ := root.Sqrt(root).Float64()
	return f
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
	return a == b || a != a && b != b || math.Abs(a-b) <= 1e-15*max(math.Abs(a), math.Abs(b)) || math.Abs(a-b) <= 1e-323
}
