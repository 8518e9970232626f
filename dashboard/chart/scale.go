package chart

import (
	"math"
	"strconv"
)

// A scale is a value axis whose labels are round numbers.
type scale struct {
	low, high float64
	labels    int
	digits    int // after the point; -1 for numbers too large or small to write out
}

// newScale makes an axis of about so many labels that holds all from low to high.
func newScale(low, high float64, labels int) scale {
	if low == high { // a flat line in the middle
		pad := math.Abs(low) * 0.1
		if pad < 1e-300 {
			pad = 1
		}
		low, high = low-pad, high+pad
	}
	step := roundStep(high/float64(labels) - low/float64(labels)) // high-low may be too large for a number
	s := scale{low: math.Floor(low/step) * step, high: math.Ceil(high/step) * step}
	s.labels = int(math.Round(s.high/step-s.low/step)) + 1
	s.digits = max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	if size := max(math.Abs(s.low), math.Abs(s.high)); size >= 1e7 || s.digits > 6 {
		s.digits = -1
	}
	return s
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

func (s scale) format(f float64) string {
	if math.Abs(f) < s.high*1e-12 {
		f = 0 // what the steps' rounding has left of it
	}
	if s.digits < 0 {
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	return strconv.FormatFloat(f, 'f', s.digits, 64)
}

// divisions is into how many equal parts the time axis is labelled: the largest number up to most that divides it.
func divisions(steps, most int) int {
	for n := min(most, 12); n > 1; n-- {
		if steps%n == 0 && n != 7 && n != 9 && n != 11 {
			return n
		}
	}
	return 1
}
