// Package latest knows the newest windows of every colour.
//
// [Board] is the core: points in, what is known out, no clock and no input or output. [Reader]
// reads InfluxDB for it, once for everyone who looks, and only what is new.
package latest

import (
	"math"
	"slices"
	"strings"
	"time"

	"colorstream/dashboard/influx"
	"colorstream/influxdb/series"
)

// Trail is how many windows' values of one statistic are kept of a colour.
const Trail = 60

// A Color is what is known of one colour: its newest window, the one before, and the board's first
// statistic of the last windows. Nobody changes it; a new window makes a new Color.
type Color struct {
	series.Point
	// Before is the colour's last window before this one, nil if none is known.
	Before *series.Point

	number int64 // of the newest window that has a value
	trail  [Trail]float64
}

// ValueOf returns the board's first statistic of a window, NaN if there is none or it is not among
// the last ones. Windows are numbered from 1970 on.
func (c *Color) ValueOf(number int64) float64 {
	if number > c.number || number <= c.number-Trail {
		return math.NaN()
	}
	return c.trail[number%Trail]
}

func (c *Color) set(number int64, value float64) {
	if number <= c.number-Trail {
		return
	}
	for missing := max(c.number+1, number-Trail+1); missing <= number; missing++ {
		c.trail[missing%Trail] = math.NaN()
	}
	c.number = max(c.number, number)
	c.trail[number%Trail] = value
}

// A Board holds at most a number of colours. It is not safe for concurrent use.
type Board struct {
	window time.Duration
	limit  int
	colors map[string]*Color
	first  series.Statistic               // of the trails
	seen   map[series.Statistic]time.Time // the newest window that has it
}

// NewBoard makes an empty board for windows of a width.
func NewBoard(window time.Duration, limit int) *Board {
	return &Board{
		window: window, limit: limit,
		colors: make(map[string]*Color), seen: make(map[series.Statistic]time.Time),
	}
}

func (b *Board) number(start time.Time) int64 { return start.UnixNano() / int64(b.window) }

// Statistics are those that the last windows have, as many as a trail: a lone message has no
// stddev, but the next window may. The first is the median, if there is one.
func (b *Board) Statistics() (list series.Statistics) {
	var newest time.Time
	for _, at := range b.seen {
		newest = later(newest, at)
	}
	for name, at := range b.seen {
		if b.number(at) > b.number(newest)-Trail {
			list = append(list, name)
		}
	}
	return InOrder(list)
}

// InOrder sorts statistics as they are shown: the median first.
func InOrder(list series.Statistics) series.Statistics {
	slices.SortFunc(list, func(a, b series.Statistic) int {
		switch series.Statistic(series.Median) {
		case a:
			return -1
		case b:
			return 1
		}
		return a.Compare(b)
	})
	return list
}

// learn finds out which statistics there are. Trails of another first one begin anew.
func (b *Board) learn(points []series.Point) {
	for _, p := range points {
		for i, name := range p.Statistics {
			if !math.IsNaN(p.Values[i]) {
				b.seen[name] = later(b.seen[name], p.Start)
			}
		}
	}
	list := b.Statistics()
	if len(list) == 0 || list[0] == b.first {
		return
	}
	b.first = list[0]
	for name, c := range b.colors {
		fresh := &Color{Point: c.Point, Before: c.Before, number: b.number(c.Start) - Trail}
		fresh.set(b.number(c.Start), c.Value(b.first))
		b.colors[name] = fresh
	}
}

// Merge takes points in any order and returns how many were new or had changed.
func (b *Board) Merge(points []series.Point) (changed int) {
	b.learn(points)
	for _, p := range points {
		known, number := b.colors[p.Color], b.number(p.Start)
		switch {
		case known == nil:
			known = &Color{Point: p, number: number - Trail}
		case p.Equal(known.Point), known.Before != nil && p.Equal(*known.Before),
			p.Start.Before(known.Start) && number <= known.number-Trail:
			continue
		default:
			known = new(*known)
			switch {
			case p.Start.After(known.Start):
				known.Before, known.Point = new(known.Point), p
			case p.Start.Equal(known.Start):
				known.Point = p
			case known.Before == nil, !p.Start.Before(known.Before.Start):
				known.Before = &p
			case known.ValueOf(number) == p.Value(b.first):
				continue
			}
		}
		known.set(number, p.Value(b.first))
		b.colors[p.Color] = known
		changed++
	}
	return changed
}

// MergeValues takes values of the first statistic, of windows that may not be known yet. Those of
// colours that are not known, and of what is no longer the first statistic, are ignored.
func (b *Board) MergeValues(name series.Statistic, values []influx.Value) {
	if name != b.first {
		return
	}
	fresh := make(map[string]*Color, len(b.colors))
	for _, v := range values {
		known, number := b.colors[v.Color], b.number(v.Start)
		if known == nil || number > b.number(known.Start) || known.ValueOf(number) == v.Value {
			continue
		}
		if fresh[v.Color] == nil {
			fresh[v.Color] = new(*known)
			b.colors[v.Color] = fresh[v.Color]
		}
		fresh[v.Color].set(number, v.Value)
	}
}

// Colors lists the colours by name, without those whose newest window started before a time. Of
// more than the limit, those with the newest windows stay; omitted counts the others.
func (b *Board) Colors(since time.Time) (list []*Color, omitted int) {
	list = make([]*Color, 0, len(b.colors))
	for name, c := range b.colors {
		if c.Start.Before(since) {
			delete(b.colors, name)
			continue
		}
		list = append(list, c)
	}
	if omitted = max(0, len(list)-b.limit); omitted > 0 {
		slices.SortFunc(list, func(a, b *Color) int {
			if c := b.Start.Compare(a.Start); c != 0 {
				return c
			}
			return strings.Compare(a.Color, b.Color)
		})
		for _, c := range list[b.limit:] {
			delete(b.colors, c.Color)
		}
		list = list[:b.limit]
	}
	slices.SortFunc(list, func(a, b *Color) int { return strings.Compare(a.Color, b.Color) })
	return list, omitted
}
