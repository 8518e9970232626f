// Package chart draws colours over time as an SVG picture.
//
// The picture is the page's chart and, with [Picture.Alone], one for anywhere else. It shows what
// was measured and nothing else: lines go straight from window to window, drawn at the windows'
// middles; where a window is missing there is a gap; an incomplete one is hollow and joined to
// nothing, a lone one is a dot. The picked colour's band reaches from minimum to maximum. Names
// stand at the lines' ends. Times on the axis are of the zone that the reader asks for.
package chart

import (
	"bytes"
	"cmp"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"colorstream/dashboard/palette"
	"colorstream/influxdb/series"
)

// MaxLines is how many colours a picture may have.
const MaxLines = 8

// MaxPoints is how many points a line may have.
const MaxPoints = 240

// A Line is one colour's points in order.
type Line struct {
	Color  string
	Points []series.Point
}

// A Picture says what to draw.
type Picture struct {
	Statistic     series.Statistic
	Lines         []Line // the last is the picked one
	From, To      time.Time
	Step          time.Duration
	Zone          *time.Location
	Width, Height int
	Em            float64 // height of the letters in pixels
	Note          string  // drawn in the middle if there is nothing else
	Alone         bool    // with its own styles: on the page they are the page's
	Theme         string  // of a picture alone: light, dark, or else the reader's
}

// A Plot is where the values of a picture are: From and To lie at Left and Right, Low and High at
// Bottom and Top.
type Plot struct {
	Left   float64 `json:"left"`
	Right  float64 `json:"right"`
	Top    float64 `json:"top"`
	Bottom float64 `json:"bottom"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// A drawing is a picture under way.
type drawing struct {
	Picture
	Plot
	out bytes.Buffer
}

// Draw draws the picture.
func Draw(p Picture) ([]byte, Plot) {
	p.Lines = slices.Clone(p.Lines)
	for i, line := range p.Lines { // what has no value is as if it were not there
		p.Lines[i].Points = slices.DeleteFunc(slices.Clone(line.Points), func(q series.Point) bool {
			return math.IsNaN(q.Value(p.Statistic))
		})
	}
	d := &drawing{Picture: p}
	low, high := d.limits()
	values, any := newScale(low, high, max(2, float64(p.Height)/p.Em/5))
	d.Low, d.High = values.low, values.high
	d.layout(values)
	d.write(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d"`,
		p.Width, p.Height)
	if p.Alone {
		d.write(` role="img"><title>%s</title><style>%s</style>`,
			html.EscapeString(d.title()), d.styles())
		d.write(`<rect class="ground" width="100%%" height="100%%"/>`)
		d.text("label", d.Left, p.Em*1.4, "start", d.title())
	} else {
		d.write(` aria-hidden="true">`)
	}
	if !any {
		d.text("label", float64(p.Width)/2, float64(p.Height)/2, "middle", p.Note)
	} else {
		for i := range values.count {
			v := values.value(i)
			d.write(`<path class="grid" d="M%.1f %.1fH%.1f"/>`, d.Left, d.y(v), d.Right)
			d.text("", d.Left-8, d.y(v)+p.Em*0.35, "end", values.format(v))
		}
	}
	d.timeAxis()
	for i, line := range p.Lines {
		d.line(i, line)
	}
	d.names()
	d.write("</svg>")
	return d.out.Bytes(), d.Plot
}

// limits returns the smallest and the largest value that is drawn.
func (d *drawing) limits() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for i, line := range d.Lines {
		for _, p := range line.Points {
			a, b := p.Value(d.Statistic), p.Value(d.Statistic)
			if i == len(d.Lines)-1 {
				a, b = d.band(&p)
			}
			low, high = min(low, a), max(high, b)
		}
	}
	return low, high
}

// band returns the ends of the picked colour's band at a point: nothing wide if minimum and maximum
// are not known, or do not belong beside the statistic.
func (d *drawing) band(p *series.Point) (low, high float64) {
	low, high = p.Value(series.Min), p.Value(series.Max)
	if d.Statistic == series.StdDev || math.IsNaN(low) || math.IsNaN(high) {
		low = p.Value(d.Statistic)
		high = low
	}
	return low, high
}

const longestName = 14 // letters at a line's end

func (d *drawing) layout(values scale) {
	widest, letters := 1, 0
	for i := range values.count {
		widest = max(widest, len(values.format(values.value(i))))
	}
	for _, line := range d.Lines {
		letters = max(letters, min(longestName, utf8.RuneCountInString(line.Color)))
	}
	d.Left, d.Right = float64(widest)*d.Em*0.6+12, float64(d.Width)-d.Em*1.6
	if len(d.Lines) > 1 || d.Alone && letters > 0 {
		d.Right = float64(d.Width) - float64(letters)*d.Em*0.62 - 16
	}
	d.Top, d.Bottom = d.Em, float64(d.Height)-d.Em*2
	if d.Alone {
		d.Top = d.Em * 2.6
	}
}

func (d *drawing) x(t time.Time) float64 {
	share := float64(t.Sub(d.From)) / float64(d.To.Sub(d.From))
	return d.Left + min(share, 1)*(d.Right-d.Left)
}

func (d *drawing) y(v float64) float64 {
	share := (v/2 - d.Low/2) / (d.High/2 - d.Low/2) // halves: their difference is a number in any case
	return d.Bottom - share*(d.Bottom-d.Top)
}

func (d *drawing) write(format string, args ...any) { fmt.Fprintf(&d.out, format, args...) }

// begin opens the group of a colour's shapes, which has its shades.
func (d *drawing) begin(i int) {
	shade := palette.Of(d.Lines[i].Color)
	d.write(`<g class="mine c%d" data-light="%s" data-dark="%s">`, i, shade.Light, shade.Dark)
}

func (d *drawing) text(class string, x, y float64, anchor, text string) {
	d.write(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`,
		class, x, y, anchor, html.EscapeString(text))
}

// rungs are the distances of the marks on the time axis.
var rungs = []time.Duration{
	5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute,
	30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour,
}

// timeAxis marks round times, counted from the zone's midnight. A mark whose text would be cut has
// none.
func (d *drawing) timeAxis() {
	every, layout, letters := rungs[len(rungs)-1], "15:04", 4.8
	for _, rung := range rungs {
		room := d.Em * 4.8
		if rung < time.Minute {
			room = d.Em * 7
		}
		if d.x(d.From.Add(rung))-d.Left >= room {
			every = rung
			break
		}
	}
	if every < time.Minute {
		layout, letters = "15:04:05", 8
	}
	_, offset := d.From.In(d.Zone).Zone()
	shift := time.Duration(offset) * time.Second
	for t := d.From.Add(shift).Truncate(every).Add(-shift); !t.After(d.To); t = t.Add(every) {
		if t.Before(d.From) {
			continue
		}
		x, half := d.x(t), letters*d.Em*0.3
		d.write(`<path class="tick" d="M%.1f %.1fv5"/>`, x, d.Bottom)
		if x > half && x+half < float64(d.Width) {
			d.text("", x, d.Bottom+d.Em*1.5, "middle", t.In(d.Zone).Format(layout))
		}
	}
}

// line draws one colour: runs of complete windows that follow each other are joined.
func (d *drawing) line(i int, line Line) {
	picked := i == len(d.Lines)-1
	var band, bars, path, dots strings.Builder
	mid := func(p series.Point) float64 { return d.x(p.Start.Add(d.Step / 2)) }
	trace := func(run []series.Point, value func(series.Point) float64) string {
		texts := make([]string, len(run))
		for i, p := range run {
			texts[i] = fmt.Sprintf("%.1f %.1f", mid(p), d.y(value(p)))
		}
		return strings.Join(texts, "L")
	}
	value := func(p series.Point) float64 { return p.Value(d.Statistic) }
	alone := func(p series.Point) {
		class, radius := "dot", 2
		if !p.Complete {
			class = "dot part"
		}
		if picked {
			radius = 3
		}
		low, high := d.band(&p)
		fmt.Fprintf(&bars, "M%.1f %.1fV%.1f", mid(p), d.y(low), d.y(high))
		fmt.Fprintf(&dots, `<circle class="%s" cx="%.1f" cy="%.1f" r="%d"/>`,
			class, mid(p), d.y(value(p)), radius)
	}
	for _, run := range runs(line.Points, d.Step) {
		if len(run) == 1 {
			alone(run[0])
			continue
		}
		path.WriteString("M" + trace(run, value))
		back := slices.Clone(run)
		slices.Reverse(back)
		band.WriteString("M" + trace(run, func(p series.Point) float64 {
			_, high := d.band(&p)
			return high
		}))
		band.WriteString("L" + trace(back, func(p series.Point) float64 {
			low, _ := d.band(&p)
			return low
		}) + "Z")
	}
	d.begin(i)
	class := "path"
	if picked {
		class = "path main"
		d.write(`<path class="band" d="%s"/><path class="dash" d="%s"/>`, &band, &bars)
	}
	d.write(`<path class="%s" d="%s"/>%s</g>`, class, &path, &dots)
}

// runs splits points where one is missing, and puts each incomplete one by itself.
func runs(points []series.Point, step time.Duration) (list [][]series.Point) {
	begin := 0
	for i, p := range points {
		if i > begin && (!p.Complete || !points[i-1].Complete || p.Start.Sub(points[i-1].Start) > step) {
			list, begin = append(list, points[begin:i]), i
		}
	}
	if begin < len(points) {
		list = append(list, points[begin:])
	}
	return list
}

// names writes each colour's name at its line's end, pushed apart.
func (d *drawing) names() {
	type end struct {
		i int
		y float64
	}
	var ends []end
	for i, line := range d.Lines {
		if n := len(line.Points); n > 0 && (len(d.Lines) > 1 || d.Alone) {
			ends = append(ends, end{i, d.y(line.Points[n-1].Value(d.Statistic))})
		}
	}
	slices.SortFunc(ends, func(a, b end) int { return cmp.Compare(a.y, b.y) })
	room := d.Em * 1.2
	for i := range ends {
		if i > 0 {
			ends[i].y = max(ends[i].y, ends[i-1].y+room)
		}
	}
	below := d.Bottom + room
	for i := len(ends) - 1; i >= 0; i-- {
		ends[i].y = min(ends[i].y, below-room)
		below = ends[i].y
	}
	for _, e := range ends {
		d.begin(e.i)
		d.write(`<circle class="dot" cx="%.1f" cy="%.1f" r="%.1f"/></g>`, d.Right+8, e.y, d.Em/4)
		name := []rune(d.Lines[e.i].Color)
		name = name[:min(len(name), longestName)]
		d.text("label", d.Right+8+d.Em/2, e.y+d.Em*0.35, "start", string(name))
	}
}

// Title is a statistic's name at the beginning of a line.
func Title(s series.Statistic) string { return strings.ToUpper(string(s[:1])) + string(s[1:]) }

func (d *drawing) title() string {
	names := make([]string, len(d.Lines))
	for i, line := range d.Lines {
		names[len(names)-1-i] = line.Color
	}
	title := Title(d.Statistic)
	if !slices.ContainsFunc(d.Lines, func(l Line) bool { return len(l.Points) > 0 }) {
		return title + ". " + d.Note
	}
	return title + " of " + strings.Join(names, ", ") + ", " + d.Zone.String()
}

// styles are what page.css says of a chart on the page.
func (d *drawing) styles() string {
	const (
		light = "--card:#fff;--line:#e2e5ea;--edge:#868f9c;--text:#15181c;--soft:#59626e"
		dark  = "--card:#16191d;--line:#2a2f36;--edge:#6c7683;--text:#e7eaee;--soft:#9ca5b1"
	)
	shades := func(of func(palette.Shade) string) (text string) {
		for i, line := range d.Lines {
			text += fmt.Sprintf(".c%d{--c:%s}", i, of(palette.Of(line.Color)))
		}
		return text
	}
	day := "svg{" + light + "}" + shades(func(s palette.Shade) string { return s.Light })
	night := "svg{" + dark + "}" + shades(func(s palette.Shade) string { return s.Dark })
	switch d.Theme {
	case "light":
	case "dark":
		day = night
	default:
		day += "@media(prefers-color-scheme:dark){" + night + "}"
	}
	return day + fmt.Sprintf(`text{font:%.1fpx system-ui,sans-serif;fill:var(--soft)}`+
		`.label{fill:var(--text)}.ground{fill:var(--card)}.grid{stroke:var(--line)}.tick{stroke:var(--edge)}`+
		`.band{fill:var(--c);fill-opacity:.15}.dash{stroke:var(--c);stroke-dasharray:2 2}`+
		`.path{fill:none;stroke:var(--c);stroke-width:1.4;stroke-linejoin:round}.main{stroke-width:2.4}`+
		`.dot{fill:var(--c)}.part{fill:var(--card);stroke:var(--c);stroke-width:1.5}`, d.Em)
}
