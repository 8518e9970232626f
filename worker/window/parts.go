package window

import (
	"bytes"
	"encoding/binary"
	"encoding/gob"
	"errors"
	"fmt"
	"slices"
)

// A Part is what one open window got since the last call of Parts. It shares memory that is not
// changed any more.
type Part struct {
	Start  int64
	colors []colorPart
}

// A colorPart is one colour of a part. encoding/gob writes and reads its fields.
type colorPart struct {
	Color  string
	chunks [][]float64
	Values []byte // of chunks, little-endian: gob's own encoding takes three times as long
	// Counts are pairs: by how much a whole number is above the last one, and how many more of it
	// there are.
	Counts []uint64
	Sketch *sketch // in place of an earlier one
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
			if c, changed := v.part(color); changed {
				p.colors = append(p.colors, c)
			}
		}
		if len(p.colors) > 0 {
			parts = append(parts, p)
		}
	}
	return parts
}

func (v *values) part(color string) (c colorPart, changed bool) {
	c.Color, c.chunks = color, slices.Clip(v.chunks)[v.saved.chunks:]
	if v.recounted {
		v.recounted = false
		before := v.saved.counts
		before = append(before, make([]uint64, len(v.counts)-len(before))...)
		last := 0
		for i, n := range v.counts {
			if n > before[i] {
				c.Counts = append(c.Counts, uint64(i-last), n-before[i])
				last = i
			}
		}
		copy(before, v.counts)
		v.saved.counts = before
	}
	if v.sketch != nil && v.sketch.Count != v.saved.sketchSize {
		c.Sketch = v.sketch.clone()
		v.saved.sketchSize = c.Sketch.Count
	}
	v.saved.chunks = len(v.chunks)
	return c, len(c.chunks) > 0 || c.Counts != nil || c.Sketch != nil
}

// Append encodes a part, behind others of its window if there are any.
func (p Part) Append(b []byte) []byte {
	colors := slices.Clone(p.colors)
	for i, c := range colors {
		for _, chunk := range c.chunks {
			colors[i].Values, _ = binary.Append(colors[i].Values, binary.LittleEndian, chunk)
		}
	}
	buffer := bytes.NewBuffer(b)
	if err := gob.NewEncoder(buffer).Encode(colors); err != nil {
		panic(err) // texts and numbers
	}
	return buffer.Bytes()
}

var errPart = errors.New("a part of an open window is damaged")

// RestorePart adds encoded parts to the open window that starts at start. Parts must come in the
// order in which they were taken; those of a window that is not open change nothing. Their bytes
// must be those that Append made, as the store's checksums prove; an error says that they are of
// another version.
func (s *Set) RestorePart(start int64, data []byte) error {
	i := slices.IndexFunc(s.open, func(w *Window) bool { return w.Start == start })
	if i < 0 {
		return nil
	}
	for r := bytes.NewReader(data); r.Len() > 0; {
		var colors []colorPart
		if err := gob.NewDecoder(r).Decode(&colors); err != nil {
			return fmt.Errorf("%w: %w", errPart, err)
		}
		for _, c := range colors {
			if err := s.restore(s.open[i], c); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Set) restore(w *Window, c colorPart) error {
	v := w.colors[c.Color]
	if v == nil {
		v = new(values)
		w.colors[c.Color] = v
	}
	stored, count := v.stored(), v.count()
	if chunk := make([]float64, len(c.Values)/8); len(chunk) > 0 {
		_, _ = binary.Decode(c.Values, binary.LittleEndian, chunk) // it is as long
		v.chunks = append(v.chunks, chunk)
	}
	value := uint64(0)
	for pair := range slices.Chunk(c.Counts, 2) {
		value += min(pair[0], maxCounted)
		if len(pair) != 2 || value >= maxCounted {
			return errPart
		}
		v.growCounts(int(value))
		v.counts[value] += pair[1]
		v.recounted = true
	}
	if c.Sketch != nil {
		v.sketch = c.Sketch
	}
	w.stored += v.stored() - stored
	w.Count += v.count() - count
	_, _ = v.part("") // it is saved
	return nil
}
