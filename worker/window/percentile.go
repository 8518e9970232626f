package window

import (
	"math"
	"math/big"
	"slices"
)

// percentile takes n values, above zero, by their rank, as [series.Statistic] defines it; 1/2 is
// the median.
func percentile(n, share, of uint64, at func(rank uint64) float64) float64 {
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

// valueAt is the value at index k, in order, of those stored and those counted (counts[i] values
// equal i) together. It reorders stored.
func valueAt(stored []float64, counts []uint64, k uint64) float64 {
	if len(counts) == 0 {
		return selectAt(stored, int(k))
	}
	// The first integer up to which there are more than k values is an upper bound of the answer, and
	// the stored values just below it settle it. Few values are stored beside counted ones (a tail),
	// so sorting them is cheap.
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

// selectAt finds the element that stands at index k when v is sorted, and reorders v. It counts by
// the leading bits and goes on with those that share them with that element, until few are left.
func selectAt(v []float64, k int) float64 {
	const digit = 11
	for shift := 64 - digit; shift > 0 && len(v) > 1000; shift -= digit {
		digitOf := func(f float64) uint64 { return order(f) >> shift & (1<<digit - 1) }
		var counts [1 << digit]int
		for _, f := range v {
			counts[digitOf(f)]++
		}
		wanted := uint64(0)
		for ; k >= counts[wanted]; wanted++ {
			k -= counts[wanted]
		}
		n := 0
		for i, f := range v {
			if digitOf(f) == wanted {
				v[i], v[n] = v[n], f
				n++
			}
		}
		v = v[:n]
	}
	slices.Sort(v)
	return v[k]
}

// order maps doubles to integers of the same order.
func order(f float64) uint64 {
	bits := math.Float64bits(f)
	if bits>>63 == 0 {
		return bits | 1<<63
	}
	return ^bits
}
