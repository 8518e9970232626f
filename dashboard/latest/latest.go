// Package latest knows the newest window of every colour and the one before it, and tells what is new in each read
// of InfluxDB.
//
// [Board] is the core: points in, news out, no clock and no input or output. [Reader] reads InfluxDB for it, once
// for everyone who looks, and keeps what it knows when InfluxDB is away. A colour that has had no window for the
// look-back is forgotten, so memory is bounded by [MaxColors] points.
package latest

import (
	"maps"
	"slices"
	"strings"
	"time"

	"colorstream/influxdb/series"
)

// MaxColors is how many colours are kept: those of the newest windows. More would help nobody on a page.
const MaxColors = 1000

// A Color is one colour's newest window.
type Color struct {
	series.Point
	// Previous is the colour's last window before this one, nil if none is known.
	Previous *series.Point
}

// A Board holds the newest windows. It is not safe for concurrent use.
type Board struct {
	colors map[string]Color
}

// NewBoard makes an empty board.
func NewBoard() *Board { return &Board{colors: make(map[string]Color)} }

// Merge takes points in any order and returns those that were news, in order of time and colour: newer than what
// was known of their colour, or the newest window written anew with other values. The first window of a colour is
// news. Older points only complete what is known of the window before.
func (b *Board) Merge(points []series.Point) []series.Point {
	points = slices.Clone(points)
	slices.SortFunc(points, byTime)
	var news []series.Point
	for _, p := range points {
		known, ok := b.colors[p.Color]
		switch {
		case !ok:
			b.colors[p.Color] = Color{Point: p}
		case p.Start.After(known.Start):
			previous := known.Point
			b.colors[p.Color] = Color{Point: p, Previous: &previous}
		case p.Start.Equal(known.Start) && p != known.Point:
			b.colors[p.Color] = Color{Point: p, Previous: known.Previous}
		case p.Start.Before(known.Start) && (known.Previous == nil || !p.Start.Before(known.Previous.Start)):
			known.Previous = &p
			b.colors[p.Color] = known
			continue
		default:
			continue
		}
		news = append(news, p)
	}
	return news
}

func byTime(a, b series.Point) int {
	if c := a.Start.Compare(b.Start); c != 0 {
		return c
	}
	return strings.Compare(a.Color, b.Color)
}

// Retain drops every colour that is not among those of points.
func (b *Board) Retain(points []series.Point) {
	keep := make(map[string]bool, len(points))
	for _, p := range points {
		keep[p.Color] = true
	}
	maps.DeleteFunc(b.colors, func(color string, _ Color) bool { return !keep[color] })
}

// Pick returns the limit newest of points and how many it left out. Among equally old ones the name decides, so
// that the same colours stay.
func Pick(points []series.Point, limit int) (picked []series.Point, omitted int) {
	if len(points) <= limit {
		return points, 0
	}
	picked = slices.Clone(points)
	slices.SortFunc(picked, func(a, b series.Point) int {
		if c := b.Start.Compare(a.Start); c != 0 {
			return c
		}
		return strings.Compare(a.Color, b.Color)
	})
	return picked[:limit], len(points) - limit
}

// Colors lists the colours by name.
func (b *Board) Colors() []Color {
	list := make([]Color, 0, len(b.colors))
	for _, c := range b.colors {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Color) int { return strings.Compare(a.Color, b.Color) })
	return list
}

// Backlog returns from when on all points should be read, given the newest one of each colour, so that no window
// between what is known of a colour and its newest one is missed. It is the zero time if none can be. For a colour
// that is not known yet it asks for a few windows more, to find the previous one.
func (b *Board) Backlog(newest []series.Point, window time.Duration) time.Time {
	var from time.Time
	for _, p := range newest {
		want := p.Start.Add(-previousWindows * window)
		if known, ok := b.colors[p.Color]; ok {
			if !p.Start.After(known.Start.Add(window)) {
				continue
			}
			want = known.Start.Add(1)
		}
		if from.IsZero() || want.Before(from) {
			from = want
		}
	}
	return from
}

// previousWindows is how far back the window before a new colour's newest one is looked for.
const previousWindows = 10
