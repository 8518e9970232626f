package window

import (
	"math"
	"math/big"
	"slices"
)

// A sum adds doubles without any error: it keeps the exact total as doubles that do not overlap (J. R. Shewchuk,
// "Adaptive Precision Floating-Point Arithmetic and Fast Robust Geometric Predicates", 1997; Python's math.fsum
// does the same). The mean is rounded twice: the total to a double, and the quotient.
//
// Totals beyond the range of a double go on in big floats, which hold any sum of doubles exactly.
type sum struct {
	parts []float64 // increasing in magnitude, non-overlapping, none zero
	huge  *big.Float
}

// bigPrecision holds any sum of up to 2^60 doubles: 2098 bits from the smallest double to the largest, and 60.
const bigPrecision = 2200

func (s *sum) add(x float64) {
	if s.huge != nil {
		s.huge.Add(s.huge, big.NewFloat(x))
		return
	}
	kept := 0
	for i, y := range s.parts {
		if math.Abs(x) < math.Abs(y) {
			x, y = y, x
		}
		high := x + y
		if math.IsInf(high, 0) {
			s.parts = slices.Concat(s.parts[:kept], []float64{x, y}, s.parts[i+1:])
			s.toBig()
			return
		}
		low := y - (high - x)
		if low != 0 {
			s.parts[kept] = low
			kept++
		}
		x = high
	}
	s.parts = s.parts[:kept]
	if x != 0 {
		s.parts = append(s.parts, x)
	}
}

// addProduct adds n times c, exactly.
func (s *sum) addProduct(n, c uint64) {
	// Below 2^16 · 2^37 a product is a whole number that a double holds; more of one value takes several.
	const most = 1 << 37
	for ; c > most; c -= most {
		s.add(float64(n) * most)
	}
	s.add(float64(n) * float64(c))
}

func (s *sum) merge(t *sum) {
	if t.huge != nil {
		s.toBig()
		s.huge.Add(s.huge, t.huge)
		return
	}
	for _, part := range t.parts {
		s.add(part)
	}
}

func (s *sum) toBig() {
	if s.huge != nil {
		return
	}
	s.huge = new(big.Float).SetPrec(bigPrecision)
	for _, part := range s.parts {
		s.huge.Add(s.huge, big.NewFloat(part))
	}
	s.parts = nil
}

func (s *sum) clone() sum {
	c := sum{parts: slices.Clone(s.parts)}
	if s.huge != nil {
		c.huge = new(big.Float).Copy(s.huge)
	}
	return c
}

// mean divides the total by n.
func (s *sum) mean(n int64) float64 {
	if s.huge != nil {
		quotient := new(big.Float).SetPrec(bigPrecision)
		f, _ := quotient.Quo(s.huge, new(big.Float).SetInt64(n)).Float64()
		return f
	}
	return s.total() / float64(n)
}

// total rounds the exact total to the nearest double, which is infinite past its range. Adding from
// the largest part down, the first sum that is not exact decides; if it stands just between two
// doubles, the next part's sign says which way to round.
func (s *sum) total() float64 {
	if s.huge != nil {
		f, _ := s.huge.Float64()
		return f
	}
	i := len(s.parts) - 1
	if i < 0 {
		return 0
	}
	high, low := s.parts[i], 0.0
	for i > 0 && low == 0 {
		i--
		x, y := high, s.parts[i]
		high = x + y
		low = y - (high - x)
	}
	if i > 0 && (low < 0) == (s.parts[i-1] < 0) && low != 0 {
		if twice := low * 2; high+twice-high == twice {
			high += twice
		}
	}
	return high
}
