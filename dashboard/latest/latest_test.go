package latest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/series"
)

var epoch = time.Unix(1760000000, 0).UTC()

func at(n int) time.Time { return epoch.Add(time.Duration(n) * 5 * time.Second) }

func point(color string, n int, mean float64) series.Point {
	return series.Point{Color: color, Start: at(n), Mean: mean, Count: 1, Complete: true}
}

func TestMergeTellsTheNews(t *testing.T) {
	b := NewBoard()
	merge := func(what string, points, want []series.Point) {
		t.Helper()
		if diff := cmp.Diff(want, b.Merge(points)); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	red, blue := point("red", 0, 1), point("blue", 0, 2)
	merge("first windows", []series.Point{red, blue}, []series.Point{blue, red})
	merge("the same again", []series.Point{red, blue}, nil)
	merge("two windows at once, the newer first", []series.Point{point("red", 2, 5), point("red", 1, 4)},
		[]series.Point{point("red", 1, 4), point("red", 2, 5)})
	merge("rewritten with other values", []series.Point{point("red", 2, 6)}, []series.Point{point("red", 2, 6)})
	merge("an older window", []series.Point{point("blue", -1, 3)}, nil)
	merge("the previous window, rewritten", []series.Point{point("red", 1, 9)}, nil)

	previous := func(p series.Point) *series.Point { return &p }
	want := []Color{
		{Point: blue, Previous: previous(point("blue", -1, 3))},
		{Point: point("red", 2, 6), Previous: previous(point("red", 1, 9))},
	}
	if diff := cmp.Diff(want, b.Colors()); diff != "" {
		t.Error(diff)
	}
	b.Retain([]series.Point{blue})
	if got := b.Colors(); len(got) != 1 || got[0].Color != "blue" {
		t.Errorf("retained %v", got)
	}
}

func TestPickKeepsTheSameColors(t *testing.T) {
	var points []series.Point
	for i := range 5 {
		points = append(points, point(fmt.Sprint("c", 4-i), i/4, 0))
	}
	got, omitted := Pick(points, 3)
	want := []series.Point{point("c0", 1, 0), point("c1", 0, 0), point("c2", 0, 0)}
	if diff := cmp.Diff(want, got); diff != "" || omitted != 2 {
		t.Errorf("omitted %d, %s", omitted, diff)
	}
	if got, omitted := Pick(points, 5); len(got) != 5 || omitted != 0 {
		t.Errorf("got %d, omitted %d", len(got), omitted)
	}
}

func TestBacklog(t *testing.T) {
	b := NewBoard()
	b.Merge([]series.Point{point("red", 0, 0), point("blue", 3, 0)})
	check := func(what string, want time.Time, newest ...series.Point) {
		t.Helper()
		if got := b.Backlog(newest, 5*time.Second); !got.Equal(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("nothing new", time.Time{}, point("red", 0, 0), point("blue", 3, 0))
	check("the next window", time.Time{}, point("red", 1, 0), point("blue", 4, 0))
	check("windows between", at(0).Add(1), point("red", 2, 0), point("blue", 5, 0))
	check("a new colour", at(7-previousWindows), point("green", 7, 0))
}

func TestWaitFollowsTheClock(t *testing.T) {
	check := func(into, refresh, want time.Duration) {
		t.Helper()
		if got := wait(epoch.Add(into), refresh); got != want {
			t.Errorf("%v into %v: got %v, want %v", into, refresh, got, want)
		}
	}
	ms := time.Millisecond
	check(0, 5*time.Second, 100*ms)
	check(100*ms, 5*time.Second, 250*ms)
	check(360*ms, 5*time.Second, 640*ms)
	check(1200*ms, 5*time.Second, 3900*ms)
	check(200*ms, 500*ms, 150*ms)
	check(400*ms, 500*ms, 200*ms)
}
