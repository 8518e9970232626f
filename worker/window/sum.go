package window

import (
	"math"
	"math/big"
	"slices"
)

// A sum adds doubles without any error: it keeps the exact total as doubles that do not overlap
// (J. R. Shewchuk, "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric
// Predicates", 1997; Python's math.fsum does the same). The mean is rounded twice: the total to a
// double, and the quotient.
//
// Totals beyond the range of a double go on in big floats, which hold any sum of doubles exactly.
type sum struct {
	Parts []float64 // increasing in magnitude, non-overlapping, none zero
	Huge  *big.Float
}

// bigPrecision holds any sum of up to 2^60 doubles, and its square: 2098 bits from the smallest
// double to the largest and 60, twice.
const bigPrecision = 4400

func (s *sum) add(x float64) {
	if s.Huge != nil {
		s.Huge.Add(s.Huge, big.NewFloat(x))
		return
	}
	kept := 0
	for i, y := range s.Parts {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		high := x + y
		if math.IsInf(high, 0) {
			s.Parts = slices.Concat(s.Parts[:kept], []float64{x, y}, s.Parts[i+1:])
			s.toBig()
			return
		}
		low := y - (high - x)
		if low != 0 {
			s.Parts[kept] = low
			kept++
		}
		x = high
	}
	s.Parts = s.Parts[:kept]
	if x != 0 {
		s.Parts = append(s.Parts, x)
	}
}

// addProduct adds n times c, exactly. n must be below 2^32.
func (s *sum) addProduct(n, c uint64) {
	// Below 2^32 · 2^21 a product is a whole number that a double holds; more of one value takes several.
	const most = 1 << 21
	for ; c > most; c -= most {
		s.add(float64(n) * most)
	}
	s.add(float64(n) * float64(c))
}

// addSquare adds x², exactly: as a double and what its rounding left.
func (s *sum) addSquare(x float64) {
	if size := math.Abs(x); size >= 0x1p511 || size < 0x1p-480 && x != 0 { // one of the two is none
		s.toBig()
		f := big.NewFloat(x)
		s.Huge.Add(s.Huge, new(big.Float).SetPrec(106).Mul(f, f))
		return
	}
	square := x * x
	s.add(square)
	s.add(math.FMA(x, x, -square))
}

// deviation is the sample standard deviation of n values of which s is the sum and squares that of
// their squares. It is rounded once (from 200 bits), infinite past a double's range, and NaN for one
// value.
func (s *sum) deviation(squares *sum, n int64) float64 {
	if n < 2 {
		return math.NaN()
	}
	exact := func() *big.Float { return new(big.Float).SetPrec(bigPrecision) }
	count, total := exact().SetInt64(n), s.toFloat()
	// (n·Σx² − (Σx)²) / (n·(n−1))
	above := exact().Mul(count, squares.toFloat())
	above.Sub(above, exact().Mul(total, total))
	below := exact().Mul(count, exact().SetInt64(n-1))
	variance := new(big.Float).SetPrec(200).Quo(above, below)
	f, _ := variance.Sqrt(variance).Float64()
	return f
}

func (s *sum) merge(t *sum) {
	if t.Huge != nil {
		s.toBig()
		s.Huge.Add(s.Huge, t.Huge)
		return
	}
	for _, part := range t.Parts {
		s.add(part)
	}
}

func (s *sum) toBig() {
	if s.Huge == nil {
		s.Huge, s.Parts = s.toFloat(), nil
	}
}

// toFloat gives the total, exactly, in memory of its own: a sum that nothing refers to can be on the
// stack.
func (s *sum) toFloat() *big.Float {
	f := new(big.Float).SetPrec(bigPrecision)
	if s.Huge != nil {
		return f.Set(s.Huge)
	}
	for _, part := range s.Parts {
		f.Add(f, big.NewFloat(part))
	}
	return f
}

func (s *sum) clone() sum {
	c := sum{Parts: slices.Clone(s.Parts)}
	if s.Huge != nil {
		c.Huge = new(big.Float).Copy(s.Huge)
	}
	return c
}

// mean divides the total, which the caller has rounded, by n.
func (s *sum) mean(total float64, n int64) float64 {
	if s.Huge != nil {
		quotient := new(big.Float).SetPrec(bigPrecision)
		f, _ := quotient.Quo(s.Huge, new(big.Float).SetInt64(n)).Float64()
		return f
	}
	return total / float64(n)
}

// total rounds the exact total to the nearest double, which is infinite past its range.
func (s *sum) total() float64 {
	if s.Huge != nil || len(s.Parts) > 2 {
		f, _ := s.toFloat().Float64()
		return f
	}
	rounded := 0.0 // by one addition at most
	for _, part := range s.Parts {
		rounded += part
	}
	return rounded
}
