package chart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"colorstream/influxdb/series"
)

var origin = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func point(number int, v float64, complete bool) series.Point {
	return series.Point{
		Start:      origin.Add(time.Duration(number) * 5 * time.Second),
		Statistics: series.DefaultStatistics(),
		Values:     []float64{v, v, v - 5, v + 5},
		Count:      3, Complete: complete,
	}
}

func picture(lines ...Line) Picture {
	return Picture{
		Statistic: "median", Lines: lines, From: origin, To: origin.Add(time.Minute),
		Step: 5 * time.Second,
		Zone: time.UTC, Width: 600, Height: 300, Em: 12, Note: "nothing here",
	}
}

// check reads a picture as XML and returns it.
func check(t *testing.T, p Picture) (string, Plot) {
	t.Helper()
	svg, plot := Draw(p)
	d := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok &&
			!strings.Contains(" svg title style rect g path circle text ", " "+e.Name.Local+" ") {
			t.Errorf("there is a %s in the picture", e.Name.Local)
		}
	}
	if strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "Inf") {
		t.Errorf("numbers that are none: %s", svg)
	}
	return string(svg), plot
}

// A missing window breaks the line, an incomplete one is hollow and alone, a lone one is a dot.
func TestGaps(t *testing.T) {
	points := []series.Point{
		point(0, 10, true), point(1, 20, true), point(3,
			30, true), point(4, 30, false), point(5, 10, true), point(6, 20, true), point(8, 15, true),
	}
	svg, plot := check(t, picture(Line{"red", points}))
	x := func(n int) float64 {
		return plot.Left + (float64(n)+0.5)/12*(plot.Right-plot.Left)
	}
	y := func(v float64) float64 {
		return plot.Bottom - (v-plot.Low)/(plot.High-plot.Low)*(plot.Bottom-plot.Top)
	}
	line := func(a int, va float64, b int, vb float64) string {
		return fmt.Sprintf("M%.1f %.1fL%.1f %.1f", x(a), y(va), x(b), y(vb))
	}
	dot := func(class string, n int, v float64) string {
		return fmt.Sprintf(`<circle class="%s" cx="%.1f" cy="%.1f"`, class, x(n), y(v))
	}
	for _, want := range []string{
		`<path class="path main" d="` + line(0, 10, 1, 20) + line(5, 10, 6, 20) + `"/>`,
		dot("dot", 3, 30), dot("dot part", 4, 30), dot("dot", 8, 15),
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("there is no %s in\n%s", want, svg)
		}
	}
	if n := strings.Count(svg, "<circle"); n != 3 {
		t.Errorf("%d dots", n)
	}
}

func TestNames(t *testing.T) {
	hostile := `</text><script>alert(1)</script>`
	p := picture(Line{"blue", []series.Point{point(1, 20, true)}},
		Line{hostile, []series.Point{point(1, 20, true)}})
	svg, _ := check(t, p)
	if strings.Contains(svg, "<script") || strings.Contains(svg, "style=") {
		t.Errorf("a name is markup in %s", svg)
	}
	p.Alone, p.Theme = true, "dark"
	if svg, _ = check(t, p); !strings.Contains(svg, "</style>") || strings.Contains(svg, "<script") {
		t.Errorf("alone: %s", svg)
	}
	if svg, _ = check(t, picture()); !strings.Contains(svg, "nothing here") {
		t.Errorf("without lines: %s", svg)
	}
	// Names at the same height are pushed apart.
	var ys []float64
	for _, part := range strings.Split(func() string {
		s, _ := check(t, p)
		return s
	}(), `<text class="label"`)[1:] {
		var x, y float64
		if _, err := fmt.Sscanf(part, ` x="%f" y="%f" text-anchor="start">`, &x, &y); err == nil &&
			x > 300 {
			ys = append(ys, y)
		}
	}
	if len(ys) != 2 || math.Abs(ys[0]-ys[1]) < 12 {
		t.Errorf("the names are at %v", ys)
	}
}

// The marks are round in the reader's zone, also where that is half an hour off.
func TestTimeAxis(t *testing.T) {
	zone, err := time.LoadLocation("Asia/Kolkata") // +05:30
	if err != nil {
		t.Fatal(err)
	}
	p := picture(Line{"red", []series.Point{point(0, 1, true)}})
	p.Zone, p.To, p.Step = zone, origin.Add(6*time.Hour), 90*time.Second
	if svg, _ := check(t, p); !strings.Contains(svg, ">09:00<") || strings.Contains(svg, ":30<") {
		t.Errorf("6 h: %s", svg)
	}
	p.To = origin.Add(time.Minute)
	if svg, _ := check(t, p); !strings.Contains(svg, ">08:30:10<") {
		t.Errorf("1 min: %s", svg)
	}
}

func TestScale(t *testing.T) {
	try := func(low, high float64, labels ...string) {
		t.Helper()
		s, _ := newScale(low, high, 4)
		var got []string
		for i := range s.count {
			got = append(got, s.format(s.value(i)))
		}
		if strings.Join(got, " ") != strings.Join(labels, " ") {
			t.Errorf("%v to %v: %q, want %q", low, high, got, labels)
		}
	}
	try(1, 100, "0", "50", "100")
	try(40, 60, "40", "45", "50", "55", "60")
	try(-0.3, 0.2, "-0.4", "-0.2", "0.0", "0.2")
	try(1234567, 1284567, "1,220,000", "1,240,000", "1,260,000", "1,280,000", "1,300,000")
	for range 2000 { // all that is drawn lies between the ends
		a, b := rand.NormFloat64()*math.Pow(10,
			float64(rand.IntN(300)-150)), rand.NormFloat64()*math.Pow(10, float64(rand.IntN(300)-150))
		s, _ := newScale(min(a, b), max(a, b), 5)
		slack := s.step * 1e-6
		if s.low > min(a, b)+slack || s.high < max(a, b)-slack || s.count > 30 || s.count < 2 {
			t.Fatalf("%v to %v: %+v", a, b, s)
		}
	}
	if svg, _ := check(t, picture(
		Line{"red", []series.Point{{
			Start: origin, Statistics: series.DefaultStatistics(),
			Values: []float64{0, 1.7e308, -1.7e308, 1.7e308}, Complete: true,
		}}})); svg == "" {
		t.Error("nothing")
	}
}
