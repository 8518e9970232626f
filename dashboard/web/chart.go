package web

import (
	"net/http"
	"slices"
	"strings"

	"colorstream/dashboard/chart"
	"colorstream/dashboard/latest"
	"colorstream/dashboard/palette"
	"colorstream/influxdb/series"
)

// series answers /series: some colours' values over time.
func (s *Server) series(w http.ResponseWriter, r *http.Request) {
	query, m := r.URL.Query(), s.moment()
	drawn := query.Has("width")
	most := maxSeries
	if drawn {
		most = chart.MaxPoints
	}
	request, err := s.readChart(query, m, most)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lines, err := s.lines(m, request)
	if err != nil {
		w.Header().Set("Retry-After", "5")
		http.Error(w, latest.Reason(err), http.StatusServiceUnavailable)
		return
	}
	answer := request.json(lines)
	answer.Figures, answer.Note = s.figures(m, request), request.note()
	if drawn {
		request.Lines = lines
		svg, plot := chart.Draw(request.Picture)
		answer.SVG, answer.Plot = string(svg), &plot
	}
	reply(w, r, "application/json", encode(answer))
}

func (r chartRequest) json(lines []chart.Line) seriesJSON {
	answer := seriesJSON{
		Statistics: r.statistics,
		From:       r.From.UnixMilli(), To: r.To.UnixMilli(), Step: r.Step.Milliseconds(),
		Series: make([]lineJSON, len(lines)),
	}
	for t := r.From; t.Before(r.To); t = t.Add(r.Step) {
		answer.Start = append(answer.Start, t.UnixMilli())
	}
	n := len(answer.Start)
	for i, line := range lines {
		shade := palette.Of(line.Color)
		counts, complete := make([]*int64, n), make([]*bool, n)
		l := lineJSON{
			"color": line.Color, "light": shade.Light, "dark": shade.Dark,
			series.Count: counts, series.Complete: complete,
		}
		values := make(map[series.Statistic][]any)
		for _, name := range r.statistics {
			values[name] = make([]any, n)
			l[string(name)] = values[name]
		}
		for _, p := range line.Points {
			k := int(p.Start.Sub(r.From) / r.Step)
			if k < 0 || k >= n {
				continue
			}
			for name := range values {
				values[name][k] = number(p.Value(name))
			}
			counts[k], complete[k] = &p.Count, &p.Complete
		}
		answer.Series[i] = l
	}
	return answer
}

// figures are the picked colour's newest values in words, the most important first.
func (s *Server) figures(m *moment, r chartRequest) []string {
	if len(r.colors) == 0 {
		return []string{}
	}
	c := m.find(r.colors[len(r.colors)-1])
	if c == nil {
		return []string{"–", "not seen in " + formatSpan(s.config.Lookback)}
	}
	count := plural(int(c.Count), "message")
	if !c.Complete {
		count = "≥ " + count
	}
	figures := []string{formatNumber(c.Value(r.Statistic)), string(r.Statistic)}
	if r.hasRange() {
		figures = append(figures, formatExtreme(c.Value(series.Min))+" to "+
			formatExtreme(c.Value(series.Max)))
	}
	return append(figures, count)
}

// hasRange reports whether the worker computes the smallest and the largest value.
func (r chartRequest) hasRange() bool {
	return slices.Contains(r.statistics, series.Min) && slices.Contains(r.statistics, series.Max)
}

// note says how to read the drawing.
func (r chartRequest) note() string {
	notes := []string{"Gap: no messages", "Hollow: incomplete"}
	if r.Statistic != series.StdDev && r.hasRange() {
		band := "Band: min to max"
		if len(r.colors) > 1 {
			band += " of " + r.colors[len(r.colors)-1]
		}
		notes = append([]string{band}, notes...)
	}
	if r.Step > r.window {
		notes = append(notes, "A point is "+formatSpan(r.Step))
	}
	return strings.Join(notes, ". ") + ". " + r.Zone.String()
}

// chart answers /chart.svg: a picture alone, for readers without a script and for other sites'
// pages.
func (s *Server) chart(w http.ResponseWriter, r *http.Request) {
	query, m := r.URL.Query(), s.moment()
	request, err := s.readChart(query, m, chart.MaxPoints)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	h := w.Header()
	// The picture has its styles in itself. Nothing else may act, should it be opened by itself.
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	lines, err := s.lines(m, request)
	request.Lines, request.Alone = lines, true
	status := http.StatusOK
	if err != nil {
		request.Lines, request.Note, status = nil, latest.Reason(err), http.StatusServiceUnavailable
		h.Set("Retry-After", "5")
	}
	svg, _ := chart.Draw(request.Picture)
	if status != http.StatusOK {
		h.Set("Content-Type", "image/svg+xml")
		h.Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_, _ = w.Write(svg) // the client is gone, if anything
		return
	}
	reply(w, r, "image/svg+xml", svg)
}
