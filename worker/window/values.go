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
	chunks []chunk
	counts []uint64 // counts[i] values equal i
	sketch *sketch

	squares   bool  // a sketch must have them
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
			v.sketch = newSketch(v.squares)
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

// stats computes the statistics of the list, into out. It reorders the tail, puts the chunks' values
// together in new memory, and changes the sketch.
func (v *values) stats(list series.Statistics, out []float64) Stats {
	s := Stats{Values: out, Count: v.count()}
	low, high := math.Inf(1), math.Inf(-1)
	var total sum
	whole := v.tail
	if len(v.chunks) > 0 {
		whole = make([]float64, 0, v.stored())
		for _, chunk := range v.chunks {
			whole = append(whole, chunk...)
		}
		whole = append(whole, v.tail...)
	}
	for _, f := range whole {
		low, high = min(low, f), max(high, f)
		total.add(f)
	}
	for i, c := range v.counts {
		if c > 0 {
			low, high = min(low, float64(i)), max(high, float64(i))
			total.addProduct(uint64(i), c)
		}
	}
	if k := v.sketch; k != nil {
		s.Approximate = true
		low, high = min(low, k.Min), max(high, k.Max)
		total.merge(&k.Sum)
		for _, f := range whole {
			k.addKey(f, 1)
		}
		for i, c := range v.counts {
			k.addKey(float64(i), c)
		}
	}
	s.Sum = total.total()
	for i, name := range list {
		switch name {
		case series.Mean:
			out[i] = total.mean(s.Sum, s.Count)
		case series.Median:
			out[i] = v.percentile(whole, 1, 2, low, high)
		case series.Min:
			out[i] = low
		case series.Max:
			out[i] = high
		case series.StdDev:
			out[i] = v.deviation(&total, whole, s.Count)
		default:
			share, of, _ := name.Percentile()
			out[i] = v.percentile(whole, share, of, low, high)
		}
	}
	return s
}

// percentile is that of all values, of which whole are those that are stored, and which are from low
// to high.
func (v *values) percentile(whole []float64, share, of uint64, low, high float64) float64 {
	if v.sketch != nil {
		return min(max(v.sketch.percentile(share, of), low), high)
	}
	return percentile(whole, v.counts, share, of)
}

// deviation is the standard deviation of all values, of which whole are those that are stored. It is
// NaN if a sketch was begun without squares, by a worker that was not asked for it.
func (v *values) deviation(total *sum, whole []float64, n int64) float64 {
	var squares sum
	for _, f := range whole {
		squares.addSquare(f)
	}
	for i, c := range v.counts {
		squares.addProduct(uint64(i)*uint64(i), c)
	}
	if k := v.sketch; k != nil {
		if k.Squares == nil {
			return math.NaN()
		}
		squares.merge(k.Squares)
	}
	return total.deviation(&squares, n)
}
