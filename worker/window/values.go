package window

import (
	"math"
	"slices"

	"colorstream/influxdb/series"
)

const (
	// chunkSize is how many values are collected before they are stored away: 32 KiB.
	chunkSize = 4096
	// maxCounted bounds the integers that are counted instead of stored: counts for one colour take
	// at most 512 KiB.
	maxCounted = 1 << 16
	// minCounted is from how many whole numbers on a colour begins to count them: counts take 2 KiB
	// at least.
	minCounted = 256
	// sketchEvery is how many values a colour still collects once its window is past the cap.
	sketchEvery = 64
)

// values holds one colour's values: the newest in tail; before them whole numbers as counts and all
// others as they came, in chunks; and past the window's cap, in a sketch. Chunks are never changed,
// so that panes and parts share them.
type values struct {
	tail   []float64
	chunks [][]float64
	counts []uint64 // counts[i] values equal i
	sketch *sketch

	recounted bool  // counts have changed since the last Parts
	saved     saved // what the last Parts had
}

// add appends one value and returns by how much the number of stored values grew.
func (v *values) add(value float64, capped bool) (grown int) {
	v.tail = append(v.tail, value)
	if len(v.tail) >= chunkSize || capped && len(v.tail) >= sketchEvery {
		return 1 + v.store(capped)
	}
	return 1
}

// store puts the tail away and returns by how much the number of stored values grew: never above
// zero.
func (v *values) store(capped bool) (grown int) {
	n := len(v.tail)
	switch {
	case n == 0:
		return 0
	case (n >= minCounted || v.counts != nil) && v.countTail():
		v.tail = v.tail[:0]
		return -n
	case capped:
		if v.sketch == nil {
			v.sketch = newSketch()
		}
		for _, f := range v.tail {
			v.sketch.add(f)
		}
		v.tail = v.tail[:0]
		return -n
	}
	v.chunks = append(v.chunks, v.tail[:n:n])
	// What is left of the tail's memory goes on; a full one is followed by one of the same size, since
	// a colour that has filled one will fill another.
	if v.tail = v.tail[n:]; cap(v.tail) == 0 && n >= chunkSize {
		v.tail = make([]float64, 0, chunkSize)
	}
	return 0
}

// countTail counts the tail's values if all are whole numbers from 0 to maxCounted-1.
func (v *values) countTail() bool {
	most := 0
	for _, f := range v.tail {
		if !(f >= 0 && f < maxCounted) || f != math.Trunc(f) {
			return false
		}
		most = max(most, int(f))
	}
	v.growCounts(most)
	v.recounted = true
	for _, f := range v.tail {
		v.counts[int(f)]++
	}
	return true
}

// growCounts makes room for counts of whole numbers up to most.
func (v *values) growCounts(most int) {
	if most < len(v.counts) {
		return
	}
	size := 256
	for size <= most {
		size *= 2
	}
	v.counts = append(v.counts, make([]uint64, size-len(v.counts))...)
}

func (v *values) stored() int {
	n := len(v.tail)
	for _, chunk := range v.chunks {
		n += len(chunk)
	}
	return n
}

func (v *values) count() int64 {
	n := int64(v.stored())
	for _, c := range v.counts {
		n += int64(c)
	}
	if v.sketch != nil {
		n += int64(v.sketch.Count)
	}
	return n
}

// share copies what later additions change and shares what they do not.
func (v *values) share() *values {
	c := &values{
		tail: slices.Clone(v.tail), chunks: slices.Clip(v.chunks), counts: slices.Clone(v.counts),
	}
	if v.sketch != nil {
		c.sketch = v.sketch.clone()
	}
	return c
}

// stats computes the statistics of the list, into out. It reorders the tail, puts the chunks'
// values together in new memory, and changes the sketch.
func (v *values) stats(list series.Statistics, out []float64) Stats {
	s := Stats{Values: out, Count: v.count()}
	low, high := math.Inf(1), math.Inf(-1)
	var total sum
	stored := v.tail
	if len(v.chunks) > 0 {
		stored = make([]float64, 0, v.stored())
		for _, chunk := range v.chunks {
			stored = append(stored, chunk...)
		}
		stored = append(stored, v.tail...)
	}
	for _, f := range stored {
		low, high = min(low, f), max(high, f)
		total.add(f, 1)
	}
	for i, n := range v.counts {
		if n > 0 {
			low, high = min(low, float64(i)), max(high, float64(i))
			total.add(float64(i), n)
		}
	}
	at := func(rank uint64) float64 { return valueAt(stored, v.counts, rank) }
	if k := v.sketch; k != nil {
		s.Approximate = true
		low, high = min(low, k.Min), max(high, k.Max)
		total.merge(&k.Sum)
		for _, f := range stored {
			k.addKey(f, 1)
		}
		for i, n := range v.counts {
			if n > 0 {
				k.addKey(float64(i), n)
			}
		}
		at = k.ranks(low, high)
	}
	s.Sum = total.total()
	for i, name := range list {
		switch name {
		case series.Mean:
			out[i] = total.mean(s.Sum, s.Count)
		case series.Median:
			out[i] = percentile(uint64(s.Count), 1, 2, at)
		case series.Min:
			out[i] = low
		case series.Max:
			out[i] = high
		case series.StdDev:
			out[i] = v.deviation(&total, stored, s.Count)
		default:
			share, of, _ := name.Percentile()
			out[i] = percentile(uint64(s.Count), share, of, at)
		}
	}
	return s
}

// deviation is the standard deviation of all n values, of which those stored are given.
func (v *values) deviation(total *sum, stored []float64, n int64) float64 {
	var squares sum
	for _, f := range stored {
		squares.addSquare(f)
	}
	for i, n := range v.counts {
		squares.add(float64(i)*float64(i), n)
	}
	if v.sketch != nil {
		squares.merge(&v.sketch.Squares)
	}
	return total.deviation(&squares, n)
}
