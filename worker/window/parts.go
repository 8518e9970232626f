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
	Chunks []chunk
	// Counts are pairs: by how much a whole number is above the last one, and how many more of it there
	// are.
	Counts []uint64
	Sketch *sketch // in place of an earlier one
}

// A chunk is values that are not changed any more.
type chunk []float64

// GobEncode implements gob.GobEncoder: its own encoding takes three times as long.
func (c chunk) GobEncode() ([]byte, error) {
	return binary.Append(nil, binary.LittleEndian, []float64(c))
}

// GobDecode implements gob.GobDecoder.
func (c *chunk) GobDecode(data []byte) error {
	*c = make(chunk, len(data)/8)
	_, err := binary.Decode(data, binary.LittleEndian, []float64(*c))
	return err
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
	c.Color, c.Chunks = color, slices.Clip(v.chunks)[v.saved.chunks:]
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
	return c, len(c.Chunks) > 0 || c.Counts != nil || c.Sketch != nil
}

// Append encodes a part, behind others of its window if there are any.
func (p Part) Append(b []byte) []byte {
	buffer := bytes.NewBuffer(b)
	if err := gob.NewEncoder(buffer).Encode(p.colors); err != nil {
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
		v = s.newValues()
		w.colors[c.Color] = v
	}
	stored, count := v.stored(), v.count()
	v.chunks = append(v.chunks, c.Chunks...)
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
	w.count += v.count() - count
	_, _ = v.part("") // it is saved
	return nil
}
