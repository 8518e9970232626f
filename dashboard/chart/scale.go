package chart

import (
	"math"
	"strconv"
	"strings"
)

// A scale is a value axis whose labels are round numbers.
type scale struct {
	low, high, step float64
	count           int // of labels
	digits          int // after the point; -1 for numbers too large or small to write out
}

// newScale makes an axis of about so many labels that holds all from low to high, and zero if that
// costs less than a quarter of it. any is false if there is nothing to hold.
func newScale(low, high, labels float64) (s scale, any bool) {
	if low > high {
		return scale{high: 1, step: 1, count: 2}, false
	}
	if low == high { // a flat line in the middle
		pad := math.Abs(low) * 0.1
		if pad < 1e-300 {
			pad = 1
		}
		low, high = low-pad, high+pad
	}
	if low > 0 && low < high/4 {
		low = 0
	}
	s.step = roundStep(high/labels - low/labels) // high-low may be too large for a number
	s.low, s.high = math.Floor(low/s.step+1e-9)*s.step, math.Ceil(high/s.step-1e-9)*s.step
	s.low, s.high = max(s.low, -math.MaxFloat64), min(s.high, math.MaxFloat64)
	s.count = int(math.Round(s.high/s.step-s.low/s.step)) + 1
	s.digits = max(0, int(-math.Floor(math.Log10(s.step)+1e-9)))
	if size := max(math.Abs(s.low), math.Abs(s.high)); size >= 1e7 || s.digits > 6 {
		s.digits = -1
	}
	return s, true
}

// roundStep returns the next of 1, 2, 5 and their powers of ten.
func roundStep(step float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(step)))
	for _, factor := range []float64{1, 2, 5} {
		if step <= factor*power*(1+1e-9) {
			return factor * power
		}
	}
	return 10 * power
}

// value returns the value at a label. Halves are numbers where their sum may be none.
func (s scale) value(i int) float64 {
	return min(2*(s.low/2+float64(i)*(s.step/2)), s.high)
}

func (s scale) format(f float64) string {
	if math.Abs(f) < s.step*1e-9 {
		f = 0 // what the steps' rounding has left of it
	}
	if s.digits < 0 {
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	return Group(strconv.FormatFloat(f, 'f', s.digits, 64))
}

// Group puts commas between the thousands of a number's text.
func Group(text string) string {
	digits := strings.TrimPrefix(text, "-")
	whole, fraction, dotted := strings.Cut(digits, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dotted {
		whole += "." + fraction
	}
	return text[:len(text)-len(digits)] + whole
}
