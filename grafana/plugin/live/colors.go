package live

import (
	"slices"
	"strings"
)

const (
	// MaxShown is how many colours are in the rows, besides those that a panel asks for by name.
	MaxShown  = 50
	maxPinned = 200
	// maxKnown bounds the colours that are counted, as the worker bounds them.
	maxKnown = 10_000
)

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
	all    map[string]*color
	order  []string // those that are shown
	pinned map[string]int
}

// see counts a message. It gives nil for a colour that is one too many.
func (c *colors) see(name string, at int64) *color {
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
	if len(c.order) < MaxShown {
		known.shown = true
		c.order = append(c.order, known.name)
	}
}

// isShown reports whether a colour has a place in the rows.
func (c *colors) isShown(name string) bool {
	known := c.all[name]
	return known != nil && known.shown || c.pinned[name] > 0
}

// expire forgets colours that are silent, and gives their places to others.
func (c *colors) expire(now int64) {
	for name, known := range c.all {
		if known.seen < now-int64(Memory) {
			delete(c.all, name)
		}
	}
	c.order = slices.DeleteFunc(c.order, func(name string) bool { return c.all[name] == nil })
	for _, known := range c.all {
		if !known.shown {
			c.show(known)
		}
	}
}

// Colors are the colours of the last ten minutes in the order of their first message, at most
// [MaxShown], and how many there are beyond those.
func (a *Aggregator) Colors() (shown []string, hidden int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.colors.order), len(a.colors.all) - len(a.colors.order)
}

// pin has colours in the rows whatever else there is, until release is called once. Of too many,
// those that come last are left out.
func (a *Aggregator) pin(names []string) (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	pinned := a.colors.pinned
	var mine []string
	for _, name := range names {
		if pinned[name] > 0 || len(pinned) < maxPinned {
			pinned[name]++
			mine = append(mine, name)
		}
	}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, name := range mine {
			if pinned[name]--; pinned[name] == 0 {
				delete(pinned, name)
			}
		}
	}
}
