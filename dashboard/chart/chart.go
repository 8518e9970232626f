// Package chart draws one statistic of every colour over time as an SVG picture.
//
// [Draw] is the drawing; [Drawer] reads what is to be drawn and keeps pictures for a moment, so that any number of
// readers costs InfluxDB the same. Times on the axis are of the zone that the reader asks for, UTC by default.
//
// Gaps stay gaps: where a colour had no window for longer than Picture.Gap its line is broken. Over a shorter time,
// in which a colour merely sent nothing, the line goes straight on.
package chart

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-analyze/charts"

	"colorstream/dashboard/influx"
	"colorstream/dashboard/palette"
)

// A Picture says what to draw.
type Picture struct {
	Statistic     string
	Lines         []influx.Line
	From, To      time.Time // multiples of Step
	Step          time.Duration
	Gap           time.Duration // a longer time without a value breaks a line
	Zone          *time.Location
	Dark          bool
	Width, Height int
	// Note stands beside the title, for what the reader should know of the data.
	Note string
}

// MaxLines is how many colours are drawn: those with the most values, then by name. The rest is counted in the note.
const MaxLines = 60

// maxLegend is how many names fit above the lines.
const maxLegend = 12

// theme holds the page's colours.
type theme struct{ background, text, faint, grid charts.Color }

var (
	light = theme{hex("#ffffff"), hex("#24292f"), hex("#6b7480"), hex("#e6e8eb")}
	dark  = theme{hex("#181b1f"), hex("#d6d9de"), hex("#8d949e"), hex("#2a2e34")}
)

func hex(s string) charts.Color { return charts.ColorFromHex(s) }

// Draw draws the picture.
func Draw(p Picture) ([]byte, error) {
	colors := light
	if p.Dark {
		colors = dark
	}
	lines, omitted := pick(p.Lines)
	note := p.Note
	if omitted > 0 {
		note = join(note, fmt.Sprintf("%d more colours are not drawn", omitted))
	}
	steps := int(p.To.Sub(p.From) / p.Step)
	if len(lines) == 0 {
		return message(p, colors, join("No windows in this time", note))
	}

	option := charts.NewLineChartOptionWithData(nil)
	var shades []charts.Color
	low, high := math.Inf(1), math.Inf(-1)
	for _, line := range lines {
		shade := palette.Of(line.Color)
		if p.Dark {
			shades = append(shades, hex(shade.Dark))
		} else {
			shades = append(shades, hex(shade.Light))
		}
		values := spread(line, p, steps)
		for _, v := range line.Values {
			low, high = min(low, v.Value), max(high, v.Value)
		}
		option.SeriesList = append(option.SeriesList, charts.LineSeries{Name: line.Color, Values: values})
	}
	option.Theme = charts.MakeTheme(charts.ThemeOption{
		IsDarkMode: p.Dark, BackgroundColor: colors.background, TextColor: colors.text,
		TextColorXAxis: colors.faint, TextColorYAxis: colors.faint, TextColorLegend: colors.text,
		XAxisStrokeColor: colors.grid, YAxisStrokeColor: colors.grid, AxisSplitLineColor: colors.grid,
		SeriesColors: shades,
	})
	option.Padding = charts.Box{Top: 12, Right: 20, Bottom: 8, Left: 12, IsSet: true}
	option.LineStrokeWidth = 2
	if len(lines) > maxLegend {
		option.LineStrokeWidth = 1.25
	}
	option.Symbol = charts.Symbol{Shape: charts.SymbolNone}
	style := charts.FontStyle{FontSize: 9, FontColor: colors.faint}
	option.XAxis = charts.XAxisOption{
		Labels: labels(p, steps), BoundaryGap: new(false), LabelFontStyle: style,
		LabelCount: divisions(steps, p.Width/110) + 1,
	}
	axis := newScale(low, high, max(2, min(p.Height/55, 8)))
	option.YAxis = []charts.YAxisOption{{
		LabelFontStyle: style, SplitLineShow: new(true), ValueFormatter: axis.format,
		Min: &axis.low, Max: &axis.high, LabelCount: axis.labels, RangeValuePaddingScale: new(0.0),
	}}
	if p.Width >= wideEnough || len(lines) > maxLegend || note != "" {
		option.Title = charts.TitleOption{Text: title(p, note), FontStyle: charts.FontStyle{FontSize: 10, FontColor: colors.faint}}
	}
	option.Legend = charts.LegendOption{
		Show: new(len(lines) <= maxLegend), Offset: charts.OffsetRight,
		FontStyle: charts.FontStyle{FontSize: 10, FontColor: colors.text}, Symbol: charts.SymbolCircle,
	}
	painter := charts.NewPainter(charts.PainterOptions{
		OutputFormat: charts.ChartOutputSVG, Width: p.Width, Height: p.Height, Theme: option.Theme,
	})
	if err := painter.LineChart(option); err != nil {
		return nil, fmt.Errorf("draw the chart: %w", err)
	}
	return painter.Bytes()
}

// wideEnough is the width from which the names of four colours fit beside the title.
const wideEnough = 520

func title(p Picture, note string) string {
	zone := "UTC"
	if p.Zone != nil {
		zone = p.Zone.String()
	}
	text := p.Statistic + ", " + zone
	if note != "" {
		text += ": " + note
	}
	return text
}

// message draws a picture that only says something.
func message(p Picture, colors theme, text string) ([]byte, error) {
	painter := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: p.Width, Height: p.Height})
	painter.FilledRect(0, 0, p.Width, p.Height, colors.background, colors.background, 0)
	painter.Text(title(p, ""), 24, 28, 0, charts.FontStyle{FontSize: 11, FontColor: colors.text})
	style := charts.FontStyle{FontSize: 12, FontColor: colors.faint}
	box := painter.MeasureText(text, 0, style)
	painter.Text(text, max(8, (p.Width-box.Width())/2), p.Height/2, 0, style)
	return painter.Bytes()
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}

// pick chooses the lines that are drawn, in the order of their names.
func pick(lines []influx.Line) (picked []influx.Line, omitted int) {
	if len(lines) <= MaxLines {
		return lines, 0
	}
	picked = slices.Clone(lines)
	slices.SortStableFunc(picked, func(a, b influx.Line) int { return len(b.Values) - len(a.Values) })
	return picked[:MaxLines:MaxLines], len(lines) - MaxLines
}

// spread lays a line's values out over all steps. Steps without a value are null, which breaks the line, or on the
// straight line between their neighbours if the gap is short.
func spread(line influx.Line, p Picture, steps int) []float64 {
	values := make([]float64, steps+1) // and one for the end of the axis
	for i := range values {
		values[i] = charts.GetNullValue()
	}
	last := -1
	for _, v := range line.Values {
		i := int(v.Time.Sub(p.From) / p.Step)
		if v.Time.Before(p.From) || i > steps {
			continue
		}
		values[i] = v.Value
		if last >= 0 && time.Duration(i-last)*p.Step <= p.Gap {
			for k := last + 1; k < i; k++ {
				share := float64(k-last) / float64(i-last)
				values[k] = values[last]*(1-share) + v.Value*share
			}
		}
		last = i
	}
	return values
}

// labels names the steps and the end.
func labels(p Picture, steps int) []string {
	layout := "15:04:05"
	switch length := p.To.Sub(p.From); {
	case length > 36*time.Hour:
		layout = "2 Jan 15:04"
	case length >= time.Hour:
		layout = "15:04"
	}
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	list := make([]string, steps+1)
	for i := range list {
		list[i] = p.From.Add(time.Duration(i) * p.Step).In(zone).Format(layout)
	}
	return list
}
