package window

import (
	"math"
	"math/big"
	"slices"
)

// percentile is that of the values stored and those counted (counts[i] values equal i) together,
// as [series.Statistic] defines it; 1/2 is the median. There must be at least one value. It reorders
// stored.
//
// Counted values need no sorting. Among stored ones a rank is found by selection, in linear time.
func percentile(stored []float64, counts []uint64, share, of uint64) float64 {
	n := uint64(len(stored))
	for _, c := range counts {
		n += c
	}
	at := func(k uint64) float64 { return valueAt(stored, counts, k) }
	return interpolate(n, share, of, at)
}

// interpolate takes n values by their rank.
func interpolate(n, share, of uint64, at func(rank uint64) float64) float64 {
	h := (n - 1) * share
	lower := at(h / of)
	if h%of == 0 {
		return lower
	}
	return between(lower, at(h/of+1), h%of, of)
}

// between is the value that lies that share of the way from lower to upper, rounded once.
func between(lower, upper float64, share, of uint64) float64 {
	if lower == upper {
		return lower
	}
	if 2*share == of {
		if m := (lower + upper) / 2; !math.IsInf(m, 0) {
			return m
		}
		return lower/2 + upper/2
	}
	var x, y big.Rat
	x.Sub(y.SetFloat64(upper), x.SetFloat64(lower))
	x.Mul(&x, y.SetFrac64(int64(share), int64(of)))
	f, _ := x.Add(&x, y.SetFloat64(lower)).Float64()
	return f
}

// valueAt is the value at index k of all values in order.
func valueAt(stored []float64, counts []uint64, k uint64) float64 {
	if len(counts) == 0 {
		return selectAt(stored, int(k))
	}
	if len(stored) == 0 {
		for i, c := range counts {
			if k < c {
				return float64(i)
			}
			k -= c
		}
	}
	// Both: the first integer up to which there are more than k values is an upper bound of the answer,
	// and the stored values just below it settle it. Few values are stored beside counted ones (a
	// tail), so sorting them is cheap.
	slices.Sort(stored)
	i := 0
	for value, c := range counts {
		for i < len(stored) && stored[i] < float64(value) {
			if k == 0 {
				return stored[i]
			}
			k--
			i++
		}
		if k < c {
			return float64(value)
		}
		k -= c
	}
	return stored[i+int(k)]
}

// selectAt finds the element that stands at index k when v is sorted, by quickselect; a run of bad
// pivots ends in sorting what is left, so that no input takes quadratic time. NaN must not be in v.
func selectAt(v []float64, k int) float64 {
	for bad := 0; len(v) > 32 && bad < 8; {
		pivot := ninther(v)
		low, high := partition(v, pivot)
		before := len(v)
		switch {
		case k < low:
			v = v[:low]
		case k >= high:
			v, k = v[high:], k-high
		default:
			return pivot
		}
		if len(v) > before/8*7 {
			bad++
		}
	}
	slices.Sort(v)
	return v[k]
}

// partition reorders v into values below the pivot, [0,low), equal to it, [low,high), and above it.
func partition(v []float64, pivot float64) (low, high int) {
	high = len(v)
	for i := 0; i < high; {
		switch x := v[i]; {
		case x < pivot:
			v[i], v[low] = v[low], x
			low++
			i++
		case x > pivot:
			high--
			v[i], v[high] = v[high], x
		default:
			i++
		}
	}
	return low, high
}

// ninther is the median of three medians of three, spread over v.
func ninther(v []float64) float64 {
	step := len(v) / 9
	m := func(i int) float64 { return median3(v[i*step], v[(i+1)*step], v[(i+2)*step]) }
	return median3(m(0), m(3), m(6))
}

func median3(a, b, c float64) float64 {
	return max(min(a, b), min(max(a, b), c))
}
