package window

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"slices"
)

// A sum is an exact total of doubles or of their squares: two whole numbers of sumUnit, a word
// after the other from the lowest on, of what is above zero and of what is below. So nothing is
// rounded, whatever is added; the mean is rounded twice: the total to a double, and the quotient.
type sum struct{ Plus, Minus [68]uint64 }

const (
	// sumUnit is the exponent of the smallest double's square, 2^-2148. The words hold 2^64 squares of
	// the largest.
	sumUnit = -2148
	// precision holds each total and its square, of up to 2^60 doubles.
	precision = 4400
)

// add adds f · n.
func (s *sum) add(f float64, n uint64) {
	m, at := split(f)
	s.addAt(f < 0, m, n, at-sumUnit/2)
}

// addSquare adds f².
func (s *sum) addSquare(f float64) {
	m, at := split(f)
	s.addAt(false, m, m, 2*at)
}

// split gives a double's size as m · 2^(at-1074).
func split(f float64) (m uint64, at int) {
	b := math.Float64bits(f)
	m, at = b&(1<<52-1), int(b>>52&0x7ff)
	if at == 0 { // below the normal ones
		return m, 0
	}
	return m | 1<<52, at - 1
}

// addAt adds a · b, at bit at.
func (s *sum) addAt(minus bool, a, b uint64, at int) {
	words := &s.Plus
	if minus {
		words = &s.Minus
	}
	high, low := bits.Mul64(a, b)
	i, shift := at/64, at%64
	var carry uint64
	words[i], carry = bits.Add64(words[i], low<<shift, 0)
	words[i+1], carry = bits.Add64(words[i+1], high<<shift|low>>(64-shift), carry)
	words[i+2], carry = bits.Add64(words[i+2], high>>(64-shift), carry)
	for i += 3; carry > 0; i++ {
		words[i], carry = bits.Add64(words[i], 0, carry)
	}
}

// merge adds what another sum holds.
func (s *sum) merge(t *sum) {
	for _, words := range [][2]*[68]uint64{{&s.Plus, &t.Plus}, {&s.Minus, &t.Minus}} {
		var carry uint64
		for i, word := range words[1] {
			words[0][i], carry = bits.Add64(words[0][i], word, carry)
		}
	}
}

// exact gives the total.
func (s *sum) exact() *big.Float {
	low, high := 0, len(s.Plus)
	for ; low < high-1 && s.Plus[low]|s.Minus[low] == 0; low++ {
	}
	for ; high > low+1 && s.Plus[high-1]|s.Minus[high-1] == 0; high-- {
	}
	total := whole(s.Plus[low:high])
	total.Sub(total, whole(s.Minus[low:high]))
	f := new(big.Float).SetPrec(precision).SetInt(total)
	return f.SetMantExp(f, sumUnit+64*low)
}

func whole(words []uint64) *big.Int {
	text := make([]byte, 0, 8*len(words))
	for _, word := range slices.Backward(words) {
		text = binary.BigEndian.AppendUint64(text, word)
	}
	return new(big.Int).SetBytes(text)
}

// total is the nearest double, which is infinite past its range.
func (s *sum) total() float64 {
	f, _ := s.exact().Float64()
	return f
}

// mean divides the total, which the caller has rounded, by n.
func (s *sum) mean(total float64, n int64) float64 {
	if math.IsInf(total, 0) {
		quotient := s.exact()
		total, _ = quotient.Quo(quotient, new(big.Float).SetInt64(n)).Float64()
		return total
	}
	return total / float64(n)
}

// deviation is the sample standard deviation of n values of which s is the sum and squares that of
// their squares. It is rounded once (from 200 bits), infinite past a double's range, and NaN for
// one value.
func (s *sum) deviation(squares *sum, n int64) float64 {
	if n < 2 {
		return math.NaN()
	}
	exact := func() *big.Float { return new(big.Float).SetPrec(precision) }
	count, total := exact().SetInt64(n), s.exact()
	// (n·Σx² − (Σx)²) / (n·(n−1))
	above := exact().Mul(count, squares.exact())
	above.Sub(above, exact().Mul(total, total))
	below := exact().Mul(count, exact().SetInt64(n-1))
	variance := new(big.Float).SetPrec(200).Quo(above, below)
	f, _ := variance.Sqrt(variance).Float64()
	return f
}
