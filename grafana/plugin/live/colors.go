package live

import (
	"slices"
	"strings"
)

// maxKnown bounds the colours that are counted, as the worker bounds them.
const maxKnown = 10_000

// A color is one that came in the last ten minutes.
type color struct {
	name  string // not a message's memory
	seen  int64
	count int64 // in this second
	shown bool
}

// colors knows those of the last ten minutes. Which ones are shown changes rarely: one keeps its
// place until it has been silent for that long, and new ones stand at the end.
type colors struct {
	buffer  *Buffer
	all     map[string]*color
	order   []*color // those that are shown
	changed bool
}

// newColors goes on with the places that the buffer's rows have.
func newColors(buffer *Buffer, now int64) colors {
	c := colors{buffer: buffer, all: make(map[string]*color)}
	for _, name := range buffer.Colors() {
		known := &color{name: name, seen: now}
		c.all[name] = known
		c.show(known)
	}
	return c
}

// seen counts a message. It gives nil for a colour that is one too many.
func (c *colors) seen(name string, at int64) *color {
	known := c.all[name]
	if known == nil {
		if len(c.all) >= maxKnown {
			return nil
		}
		known = &color{name: strings.Clone(name)}
		c.all[known.name] = known
		c.show(known)
	}
	known.seen = at
	known.count++
	return known
}

func (c *colors) show(known *color) {
	c.changed = true
	if len(c.order) < MaxShown {
		known.shown = true
		c.order = append(c.order, known)
	}
}

func (c *colors) isShown(name string) bool {
	known := c.all[name]
	return known != nil && known.shown
}

// expire forgets colours that are silent, and gives their places to others.
func (c *colors) expire(now int64) {
	for name, known := range c.all {
		if known.seen < now-int64(Memory) {
			delete(c.all, name)
			c.changed = true
		}
	}
	if !c.changed {
		return
	}
	c.order = slices.DeleteFunc(c.order, func(known *color) bool { return c.all[known.name] != known })
	for _, known := range c.all {
		if len(c.order) < MaxShown && !known.shown {
			c.show(known)
		}
	}
	c.publish()
}

// publish tells the buffer which colours are shown.
func (c *colors) publish() {
	if !c.changed {
		return
	}
	c.changed = false
	names := make([]string, len(c.order))
	for i, known := range c.order {
		names[i] = known.name
	}
	c.buffer.colors.Store(&names)
	c.buffer.hidden.Store(int64(len(c.all) - len(c.order)))
}
