package window

import "slices"

// maxIntervals bounds how many stretches of closed time a set remembers apart.
const maxIntervals = 4096

// An Interval is a half-open stretch of time.
type Interval struct {
	Start int64 `json:"start"`
	End   int64 `json:"end"`
}

// intervals is a set of instants as sorted, disjoint intervals that do not touch.
type intervals []Interval

// search gives the index of the first interval that ends at or after the instant at.
func (v intervals) search(at int64) int {
	i, _ := slices.BinarySearchFunc(v, at, func(x Interval, at int64) int {
		if x.End < at {
			return -1
		}
		return 1
	})
	return i
}

// add joins [start, end) with what it touches. Past maxIntervals the two oldest become one: the
// time between them then counts as closed too.
func (v *intervals) add(start, end int64) {
	i := v.search(start)
	j := i
	for ; j < len(*v) && (*v)[j].Start <= end; j++ {
		start, end = min(start, (*v)[j].Start), max(end, (*v)[j].End)
	}
	*v = slices.Replace(*v, i, j, Interval{start, end})
	if len(*v) > maxIntervals {
		(*v)[1].Start = (*v)[0].Start
		*v = slices.Delete(*v, 0, 1)
	}
}

// overlaps reports whether an instant of [start, end) is in the set.
func (v intervals) overlaps(start, end int64) bool {
	i := v.search(start)
	if i < len(v) && v[i].End == start {
		i++
	}
	return i < len(v) && v[i].Start < end
}

// dropBefore drops what ended before the instant at.
func (v *intervals) dropBefore(at int64) {
	*v = slices.Delete(*v, 0, v.search(at))
}
