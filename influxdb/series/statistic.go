package series

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A Statistic is one of a window's, by the name of its field: mean, median, min, max, stddev, or a
// percentile, such as p95 or p99.9.
//
// stddev is the sample standard deviation, √(Σ(x−mean)²/(n−1)). One value has none.
//
// The percentile p of the values in order, x[0] to x[n−1], stands at h = (n−1)·p/100: it is x[h],
// or lies on the straight line between the two values beside h. This is definition 7 of R. J.
// Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 50
// (1996), and what R's quantile and NumPy's percentile do unless told otherwise. The median is p50.
type Statistic string

// named are the statistics that are no percentiles, in the order in which all are shown.
var named = []Statistic{Mean, Median, Min, Max, StdDev}

// maxDecimals is how fine percentiles may be: with n values, (n−1)·p then fits an integer.
const maxDecimals = 4

// Percentile gives a percentile as a fraction: p99.9 is 999/1000. ok is false for other statistics
// and for what is written otherwise than a number is.
func (s Statistic) Percentile() (share, of uint64, ok bool) {
	digits, isPercentile := strings.CutPrefix(string(s), "p")
	p, err := strconv.ParseFloat(digits, 64)
	whole, fraction, _ := strings.Cut(digits, ".")
	if !isPercentile || err != nil || p <= 0 || p >= 100 || len(fraction) > maxDecimals ||
		strconv.FormatFloat(p, 'f', -1, 64) != digits {
		return 0, 0, false
	}
	share, err = strconv.ParseUint(whole+fraction, 10, 64)
	of = 100
	for range fraction {
		of *= 10
	}
	return share, of, err == nil
}

// IsKnown reports whether there is such a statistic.
func (s Statistic) IsKnown() bool {
	_, _, percentile := s.Percentile()
	return percentile || slices.Contains(named, s)
}

// Compare orders statistics as they are shown: percentiles come last, and by size.
func (s Statistic) Compare(t Statistic) int {
	rank := func(s Statistic) float64 {
		if i := slices.Index(named, s); i >= 0 {
			return float64(i - len(named))
		}
		share, of, _ := s.Percentile()
		return float64(share) / float64(max(of, 1))
	}
	return cmp.Compare(rank(s), rank(t))
}

// Statistics are those of a point beside its sum and its count, which it always has.
type Statistics []Statistic

// DefaultStatistics are those of a worker that is not told otherwise.
func DefaultStatistics() Statistics { return Statistics{Mean, Median, Min, Max} }

// UnmarshalText reads a list as WORKER_STATISTICS has it: mean,p95,stddev.
func (l *Statistics) UnmarshalText(text []byte) error {
	*l = nil
	for entry := range strings.SplitSeq(string(text), ",") {
		s := Statistic(strings.TrimSpace(entry))
		switch {
		case s == "":
			return errors.New("has an empty entry")
		case s == Sum || s == Count:
			return fmt.Errorf("%s is always written: leave it out", s)
		case !s.IsKnown():
			return fmt.Errorf("%q is none of %s and p…: a percentile is above p0 (min) and below p100 "+
				"(max), such as p95 or p99.9, with at most %d decimals and no needless zero",
				string(s), Statistics(named), maxDecimals)
		case slices.Contains(*l, s):
			return fmt.Errorf("names %s twice", s)
		}
		*l = append(*l, s)
	}
	return nil
}

// String writes a list as UnmarshalText reads it.
func (l Statistics) String() string {
	var b strings.Builder
	for i, s := range l {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(s))
	}
	return b.String()
}
