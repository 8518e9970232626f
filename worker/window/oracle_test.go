package window

import (
	"math"
	"math/big"
	"slices"

	"colorstream/influxdb/series"
)

// full are the statistics that the tests ask for.
var full = series.Statistics{
	"p99.9", series.Mean, series.Median, series.StdDev, series.Min, series.Max, "p0.0001", "p33.3",
	"p50", "p95",
}

// of returns one of the full statistics.
func (s Stats) of(name series.Statistic) float64 { return s.Values[slices.Index(full, name)] }

// scale makes whole numbers of all doubles.
const scale = 1074

// naiveStats is the second opinion on a list of statistics: whole numbers of any size, a sort, and
// each result rounded once. It shares no code with the package.
func naiveStats(list series.Statistics, color string, values []float64) Stats {
	sorted := make([]*big.Int, len(values))
	total := new(big.Int)
	for i, v := range slices.Sorted(slices.Values(values)) {
		r := new(big.Rat).SetFloat64(v)
		sorted[i] = new(big.Int).Lsh(r.Num(), uint(scale+1-r.Denom().BitLen()))
		total.Add(total, sorted[i])
	}
	n := int64(len(values))
	s := Stats{
		Color: color, Count: n, Sum: quotient(total, big.NewInt(1)),
		Values: make([]float64, len(list)),
	}
	for i, name := range list {
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
	float := func(n *big.Int) *big.Float { return new(big.Float).SetPrec(5000).SetInt(n) }
	f := new(big.Float).SetPrec(300).Quo(float(a), float(b))
	rounded, _ := f.SetMantExp(f, -scale).Float64()
	return rounded
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
	root := new(big.Float).SetPrec(300).SetRat(
		new(big.Rat).SetFrac(squares, below.Lsh(below, 2*scale)))
	f, _ := root.Sqrt(root).Float64()
	return f
}

// near tells whether two doubles are equal but for a rounding.
func near(a, b float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= 1e-15*max(math.Abs(a), math.Abs(b)) ||
		math.Abs(a-b) <= 1e-323
}
