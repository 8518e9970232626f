package web

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/palette"
	"colorstream/influxdb/series"
)

// A row is a colour's, ready for the template. It is written here and nowhere else: the page has
// it, and the events have it.
type row struct {
	Name                    string
	Shade                   palette.Shade
	Late                    string // stale, silent or nothing
	Complete, Exact, Picked bool
	Spark                   string // an SVG path
	Main                    cell   // the first statistic
	Others                  []cell
	Count                   string
	Sign, Word, By          string // of the change
	End                     time.Time
}

// A cell is a statistic's.
type cell struct {
	Name series.Statistic
	Text string
}

func (m *moment) newRow(c *latest.Color, stat series.Statistic, picked bool) row {
	r := row{
		Name: c.Color, Shade: palette.Of(c.Color), Late: m.late(c), Complete: c.Complete,
		Exact:  !c.Approximate,
		Picked: picked, Spark: m.spark(c), Count: formatCount(c.Count),
		Sign: "none", Word: "unknown", End: c.Start.Add(m.config.Window).UTC(),
	}
	for _, name := range m.Statistics {
		format := formatNumber
		if name == series.Min || name == series.Max {
			format = formatExtreme
		}
		r.Others = append(r.Others, cell{name, format(c.Value(name))})
	}
	r.Main, r.Others = r.Others[0], r.Others[1:]
	switch by := change(c, stat); {
	case by > 0:
		r.Sign, r.Word, r.By = "up", "up", formatNumber(by)
	case by < 0:
		r.Sign, r.Word, r.By = "down", "down", formatNumber(-by)
	case by == 0:
		r.Sign, r.Word = "same", "unchanged"
	}
	return r
}

// The sparkline's height; its width is one for each window.
const sparkHeight = 40

// spark draws the first statistic of the last windows as a path, each colour on its own scale. A
// missing window is a gap, a lone one a dot.
func (m *moment) spark(c *latest.Color) string {
	newest := m.Newest.UnixNano() / int64(m.config.Window)
	low, high := math.Inf(1), math.Inf(-1)
	for n := newest - latest.Trail + 1; n <= newest; n++ {
		if v := c.ValueOf(n); !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	var path strings.Builder
	before := -1
	for i := range latest.Trail {
		v := c.ValueOf(newest - latest.Trail + 1 + int64(i))
		if math.IsNaN(v) {
			before = -1
			continue
		}
		y := sparkHeight / 2
		if high > low { // halves: their difference is a number in any case
			y = sparkHeight - 2 - int(math.Round((v/2-low/2)/(high/2-low/2)*(sparkHeight-4)))
		}
		if before < 0 {
			fmt.Fprintf(&path, "M%d %dh.01", i, y)
		} else {
			path.WriteString("L" + strconv.Itoa(i) + " " + strconv.Itoa(y))
		}
		before = y
	}
	return path.String()
}

// execute writes what a template makes of a value. It cannot fail: the tests run all of them.
func execute(templates *template.Template, name string, value any) string {
	var text strings.Builder
	if err := templates.ExecuteTemplate(&text, name, value); err != nil {
		panic(err)
	}
	return text.String()
}
