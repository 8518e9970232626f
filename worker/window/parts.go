package window

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"slices"
)

// A Part is what one open window got since the last call of Parts. It shares memory that is not
// changed any more.
//
// Encoded, a part is a row of colours, each
//
//	uvarint   length of the colour's name, then the name
//	uvarint   number of values, then each as a little-endian IEEE 754 double
//	uvarint   distance to the next counted whole number plus one, then uvarint how many more of it;
//	          again and again until the distance is 0
//	uvarint   length of the sketch, then the sketch as JSON; it replaces an earlier one
type Part struct {
	Start  int64
	colors []colorPart
}

type colorPart struct {
	color        string
	chunks       [][]float64
	counts, base []uint64 // counted now, and in the parts before
	sketch       *sketch
}

// saved is what parts have of a colour.
type saved struct {
	chunks     int
	counts     []uint64
	sketchSize uint64
}

// Parts gives what the open windows got since the last call, or all that they hold.
func (s *Set) Parts(all bool) (parts []Part) {
	for _, w := range s.open {
		if w.parted && !all {
			continue
		}
		w.parted = true
		p := Part{Start: w.Start}
		for color, v := range w.colors {
			w.stored += v.store(w.stored >= s.cfg.MaxValues)
			if all {
				v.saved, v.recounted = saved{}, v.counts != nil
			}
			if c, changed := v.part(); changed {
				c.color = color
				p.colors = append(p.colors, c)
			}
		}
		if len(p.colors) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

func (v *values) part() (c colorPart, changed bool) {
	c.chunks = slices.Clip(v.chunks)[v.saved.chunks:]
	if v.recounted {
		c.counts, c.base = slices.Clone(v.counts), v.saved.counts
		v.saved.counts, v.recounted = c.counts, false
	}
	if v.sketch != nil && v.sketch.count != v.saved.sketchSize {
		c.sketch = v.sketch.clone()
		v.saved.sketchSize = c.sketch.count
	}
	v.saved.chunks = len(v.chunks)
	return c, len(c.chunks) > 0 || c.counts != nil || c.sketch != nil
}

// Append encodes a part.
func (p Part) Append(b []byte) []byte {
	for _, c := range p.colors {
		b = binary.AppendUvarint(b, uint64(len(c.color)))
		b = append(b, c.color...)
		n := 0
		for _, chunk := range c.chunks {
			n += len(chunk)
		}
		b = binary.AppendUvarint(b, uint64(n))
		b = slices.Grow(b, 8*n)
		for _, chunk := range c.chunks {
			for _, f := range chunk {
				b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
			}
		}
		next := 0
		for i, n := range c.counts {
			if i < len(c.base) {
				n -= c.base[i]
			}
			if n > 0 {
				b = binary.AppendUvarint(b, uint64(i-next)+1)
				b = binary.AppendUvarint(b, n)
				next = i
			}
		}
		b = append(b, 0)
		b = c.sketch.append(b)
	}
	return b
}

var errPart = errors.New("a part of an open window is damaged")

// RestorePart adds an encoded part to the open window that starts at start. Parts must come in the
// order in which they were taken; one of a window that is not open changes nothing.
func (s *Set) RestorePart(start int64, data []byte) error {
	i := slices.IndexFunc(s.open, func(w *Window) bool { return w.Start == start })
	if i < 0 {
		return nil
	}
	w := s.open[i]
	r := partReader{data}
	for len(r.data) > 0 {
		name, ok := r.bytes()
		if !ok || len(name) == 0 {
			return errPart
		}
		v := w.colors[string(name)]
		if v == nil {
			v = s.newValues()
			w.colors[string(name)] = v
		}
		stored, count := v.stored(), v.count()
		if !r.values(v) || !r.counts(v) || !r.sketch(v) {
			return errPart
		}
		w.stored += v.stored() - stored
		w.count += v.count() - count
		v.saved = saved{chunks: len(v.chunks), counts: slices.Clone(v.counts)}
		if v.sketch != nil {
			v.saved.sketchSize = v.sketch.count
		}
	}
	return nil
}

// A partReader reads what Part.Append writes. Its methods report false for what is damaged.
type partReader struct{ data []byte }

func (r *partReader) uvarint() (uint64, bool) {
	u, n := binary.Uvarint(r.data)
	if n <= 0 {
		return 0, false
	}
	r.data = r.data[n:]
	return u, true
}

func (r *partReader) bytes() ([]byte, bool) {
	n, ok := r.uvarint()
	if !ok || n > uint64(len(r.data)) {
		return nil, false
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b, true
}

func (r *partReader) values(v *values) bool {
	n, ok := r.uvarint()
	if !ok || n > uint64(len(r.data))/8 {
		return false
	}
	if n == 0 {
		return true
	}
	chunk := make([]float64, n)
	for i := range chunk {
		chunk[i] = math.Float64frombits(binary.LittleEndian.Uint64(r.data[8*i:]))
	}
	r.data = r.data[8*n:]
	v.chunks = append(v.chunks, chunk)
	return true
}

func (r *partReader) counts(v *values) bool {
	for i := uint64(0); ; {
		step, ok := r.uvarint()
		if !ok || step > maxCounted {
			return false
		}
		if step == 0 {
			return true
		}
		n, ok := r.uvarint()
		if i += step - 1; !ok || i >= maxCounted || n > 1<<48 {
			return false
		}
		v.growCounts(int(i))
		v.counts[i] += n
	}
}

func (r *partReader) sketch(v *values) bool {
	text, ok := r.bytes()
	if !ok || len(text) == 0 {
		return ok
	}
	var e encodedSketch
	if json.Unmarshal(text, &e) != nil || e.Counts == nil {
		return false
	}
	v.sketch = &sketch{counts: e.Counts, count: e.Count, min: e.Min, max: e.Max}
	if e.Squares != nil {
		v.sketch.squares = new(sum)
		ok = e.Squares.decode(v.sketch.squares)
	}
	return e.encodedSum.decode(&v.sketch.sum) && ok
}

// encodedSketch is a sketch as JSON. Squares are absent if no standard deviation is wanted.
type encodedSketch struct {
	Counts map[int32]uint64
	Count  uint64
	encodedSum
	Squares  *encodedSum `json:",omitempty"`
	Min, Max float64
}

// encodedSum is a sum as JSON. Parts add up to it; one beyond a double's range is Huge.
type encodedSum struct {
	Parts []float64
	Huge  []byte `json:",omitempty"` // a text of math/big
}

func encodeSum(s *sum) (e encodedSum) {
	e.Parts = s.parts
	if s.huge != nil {
		e.Huge, _ = s.huge.MarshalText() // never fails
	}
	return e
}

func (e encodedSum) decode(s *sum) bool {
	if s.parts = e.Parts; e.Huge == nil {
		return true
	}
	huge := new(big.Float).SetPrec(bigPrecision) // before it is read, else it is rounded to 64 bits
	*s = sum{huge: huge}
	return huge.UnmarshalText(e.Huge) == nil
}

// append encodes a sketch, or nil for none.
func (k *sketch) append(b []byte) []byte {
	if k == nil {
		return append(b, 0)
	}
	e := encodedSketch{
		Counts: k.counts, Count: k.count, encodedSum: encodeSum(&k.sum), Min: k.min, Max: k.max,
	}
	if k.squares != nil {
		e.Squares = new(encodeSum(k.squares))
	}
	text, _ := json.Marshal(e) // it cannot fail: all numbers are finite
	b = binary.AppendUvarint(b, uint64(len(text)))
	return append(b, text...)
}
