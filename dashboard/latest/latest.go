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

// Trail is how many windows' medians are kept of a colour.
const Trail = 60

// A Color is what is known of one colour: its newest window, the one before, and the medians of
// the last windows. Nobody changes it; a new window makes a new Color.
type Color struct {
	series.Point
	// Before is the colour's last window before this one, nil if none is known.
	Before *series.Point

	number  int64 // of the newest window that has a median
	medians [Trail]float64
}

// MedianOf returns the median of a window, NaN if there is none or it is not among the last ones.
// Windows are numbered from 1970 on.
func (c *Color) MedianOf(number int64) float64 {
	if number > c.number || number <= c.number-Trail {
		return math.NaN()
	}
	return c.medians[number%Trail]
}

func (c *Color) setMedian(number int64, value float64) {
	if number <= c.number-Trail {
		return
	}
	for missing := max(c.number+1, number-Trail+1); missing <= number; missing++ {
		c.medians[missing%Trail] = math.NaN()
	}
	c.number = max(c.number, number)
	c.medians[number%Trail] = value
}

// A Board holds at most a number of colours. It is not safe for concurrent use.
type Board struct {
	window time.Duration
	limit  int
	colors map[string]*Color
}

// NewBoard makes an empty board for windows of a width.
func NewBoard(window time.Duration, limit int) *Board {
	return &Board{window: window, limit: limit, colors: make(map[string]*Color)}
}

func (b *Board) number(start time.Time) int64 { return start.UnixNano() / int64(b.window) }

// Merge takes points in any order and returns how many were new or had changed.
func (b *Board) Merge(points []series.Point) (changed int) {
	for _, p := range points {
		known := b.colors[p.Color]
		switch {
		case known == nil:
			known = &Color{Point: p, number: b.number(p.Start) - Trail}
		case p == known.Point, known.Before != nil && p == *known.Before,
			p.Start.Before(known.Start) && b.number(p.Start) <= known.number-Trail:
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
			case known.MedianOf(b.number(p.Start)) == p.Median:
				continue
			}
		}
		known.setMedian(b.number(p.Start), p.Median)
		b.colors[p.Color] = known
		changed++
	}
	return changed
}

// MergeMedians takes medians of windows that may not be known yet. Those of colours that are not
// known are ignored.
func (b *Board) MergeMedians(medians []influx.Median) {
	fresh := make(map[string]*Color, len(b.colors))
	for _, m := range medians {
		known, number := b.colors[m.Color], b.number(m.Start)
		if known == nil || number > b.number(known.Start) || known.MedianOf(number) == m.Value {
			continue
		}
		if fresh[m.Color] == nil {
			fresh[m.Color] = new(*known)
			b.colors[m.Color] = fresh[m.Color]
		}
		fresh[m.Color].setMedian(number, m.Value)
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
