package web

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"time"

	"colorstream/dashboard/chart"
	"colorstream/influxdb/series"
)

const historyTimeout = 10 * time.Second

// A reading is a history that was read.
type reading struct {
	lines []chart.Line
	err   error
}

// lines returns a line for each of the request's colours. Equal requests of a moment share a query:
// a crowd that asks for the same after a window's end costs one.
func (s *Server) lines(m *moment, r chartRequest) ([]chart.Line, error) {
	if len(r.colors) == 0 {
		return nil, m.Failure
	}
	key := fmt.Sprintf("%q %d %d %d", r.colors, r.From.UnixNano(), r.To.UnixNano(), r.Step)
	shared := once(m, m.histories, key, func() reading {
		// It goes on if the one who began it leaves.
		ctx, cancel := context.WithTimeout(context.Background(), historyTimeout)
		defer cancel()
		lines := make([]chart.Line, len(r.colors))
		for i, color := range r.colors {
			lines[i].Color = color
		}
		points, err := s.history.Steps(ctx, r.colors, r.From, r.To, r.Step)
		if err != nil {
			s.log.Warn("cannot read a chart's history", "error", err)
		}
		for _, p := range points {
			if i := slices.Index(r.colors, p.Color); i >= 0 {
				lines[i].Points = append(lines[i].Points, p)
			}
		}
		return reading{lines, err}
	})
	return shared.lines, shared.err
}

// A chartRequest is what an address asks for.
type chartRequest struct {
	chart.Picture
	statistics series.Statistics // that there are
	colors     []string          // the last is the picked one
	window     time.Duration
}

const (
	chartWidth, chartHeight = 960, 400
	maxSeries               = 720 // points of a line
	longestSpan             = 24 * time.Hour
	maxZone                 = 64
)

// readChart reads color (any number of them), stat, range or from and to (milliseconds since 1970),
// step (milliseconds), tz, theme, width, height and em, the height of letters. Without a colour the
// first ones are shown, without a time the last ones.
func (s *Server) readChart(query url.Values, m *moment, most int) (r chartRequest, err error) {
	window := s.config.Window
	r = chartRequest{
		Picture: chart.Picture{
			Statistic: one(query, "stat", m.Statistics), Theme: last(query, "theme"),
			Note: "No windows in this time",
		},
		window: window, statistics: m.Statistics,
	}
	check := func(ok bool, problem string) {
		if !ok && err == nil {
			err = errors.New(problem)
		}
	}
	floats := func(name string, standard, low, high float64) float64 {
		if !query.Has(name) {
			return standard
		}
		f, parseErr := strconv.ParseFloat(last(query, name), 64)
		ok := parseErr == nil && f >= low && f <= high
		check(ok, fmt.Sprintf("%s must be a number from %v to %v", name, low, high))
		return f
	}
	for _, color := range query["color"] {
		r.colors = slices.DeleteFunc(r.colors, func(c string) bool { return c == color })
		if color != "" {
			r.colors = append(r.colors, color)
		}
	}
	check(len(r.colors) <= chart.MaxLines,
		fmt.Sprintf("at most %d colours may be asked for", chart.MaxLines))
	if len(r.colors) == 0 {
		for _, c := range m.Colors[:min(len(m.Colors), chart.MaxLines)] {
			r.colors = append(r.colors, c.Color)
		}
		slices.Reverse(r.colors)
	}
	check(!query.Has("stat") || last(query, "stat") == string(r.Statistic),
		"stat must be one of "+m.Statistics.String())
	check(!query.Has("range") || span(last(query, "range")) == readSpan(query),
		"range must be one of 5m, 15m, 1h, 6h and 24h")
	check(r.Theme == "" || slices.Contains(themes, r.Theme), "theme must be light, dark or auto")
	r.Width = int(floats("width", chartWidth, 160, 4000))
	r.Height = int(floats("height", chartHeight, 120, 2400))
	r.Em = floats("em", 12, 6, 60)
	zone := last(query, "tz")
	r.Zone, _ = time.LoadLocation(zone)
	check(len(zone) <= maxZone && zone != "Local" && r.Zone != nil, "tz must be as in Europe/Berlin")

	end := m.Newest.Add(window)
	if m.Newest.IsZero() {
		end = m.now
	}
	end = alignUp(end, window)
	to := floats("to", float64(end.UnixMilli()), 0, 1e14)
	from := floats("from", to-float64(readSpan(query).length().Milliseconds()), 0, 1e14)
	short := from < to && to-from <= float64(longestSpan.Milliseconds())
	check(short, "from must be before to, by at most 24 hours")
	if err != nil {
		return r, err
	}
	r.From, r.To = time.UnixMilli(int64(from)).UTC(), time.UnixMilli(int64(to)).UTC()
	windows := math.Ceil(float64(r.To.Sub(r.From)) / float64(window) / float64(most))
	if step := floats("step", 0, 0, 1e9); step > 0 {
		windows = max(windows, math.Ceil(step*1e6/float64(window)))
	}
	r.Step = time.Duration(max(1, windows)) * window
	// Whole steps, or a step at the edge would miss some of its windows.
	r.From, r.To = alignUp(r.From.Add(1-r.Step), r.Step), alignUp(r.To, r.Step)
	return r, err
}

// alignUp returns the next multiple of d since 1970.
func alignUp(t time.Time, d time.Duration) time.Time {
	over := time.Duration(t.UnixNano()) % d
	if over > 0 {
		over -= d
	}
	return t.Add(-over).UTC()
}

// seriesJSON is what /series answers. Missing windows are null in every list.
//
// | field             | unit             | meaning                                                  |
// |-------------------|------------------|----------------------------------------------------------|
// | from_ms, to_ms    | ms since 1970    | the time that is shown                                   |
// | step_ms           | ms               | a point's width, one or more windows                     |
// | start_ms          | ms since 1970    | the points' starts                                       |
// | series            | –                | a line for each colour; the last is the picked one       |
// | statistics        | –                | names of the lists of values in a line                   |
// | mean, min, max …  | the messages'    | of all messages of a step; of others, the windows' mean  |
// | count             | messages         | messages in the step                                     |
// | complete          | –                | false: messages may be missing                           |
// | figures, note     | –                | the picked colour's newest window, and what is drawn     |
// | svg, plot         | px               | with width and height: the drawing, and where values are |
type seriesJSON struct {
	From       int64              `json:"from_ms"`
	To         int64              `json:"to_ms"`
	Step       int64              `json:"step_ms"`
	Start      []int64            `json:"start_ms"`
	Statistics []series.Statistic `json:"statistics"`
	Series     []lineJSON         `json:"series"`
	Figures    []string           `json:"figures"`
	Note       string             `json:"note"`
	SVG        string             `json:"svg,omitempty"`
	Plot       *chart.Plot        `json:"plot,omitempty"`
}

// A lineJSON has color, light and dark, count, complete, and each statistic by its name.
type lineJSON map[string]any

// number is a value for JSON, which has no NaN: null is none.
func number(f float64) any {
	if math.IsNaN(f) {
		return nil
	}
	return f
}
