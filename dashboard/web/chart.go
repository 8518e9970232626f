package web

import (
	"errors"
	"net/http"
	"strconv"

	"colorstream/dashboard/chart"
)

// The picture's size in pixels.
const (
	chartWidth, chartHeight = 960, 400
	minWidth, maxWidth      = 240, 2400
	minHeight, maxHeight    = 160, 1600
	sizeStep                = 20 // sizes are rounded, so that readers can share pictures
	maxZone                 = 64
)

// chart answers /chart.svg?stat=mean&range=15m&theme=dark with a picture, also for other sites' pages. width and
// height (pixels) and tz (Europe/Berlin) are optional.
func (s *Server) chart(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	statistic, okStatistic := find(statistics, query.Get("stat"))
	span, okSpan := find(ranges, query.Get("range"))
	theme := query.Get("theme")
	width, okWidth := size(query.Get("width"), chartWidth, minWidth, maxWidth)
	height, okHeight := size(query.Get("height"), chartHeight, minHeight, maxHeight)
	zone := query.Get("tz")
	switch {
	case !okStatistic:
		http.Error(w, "stat must be one of mean, median, min, max", http.StatusBadRequest)
	case !okSpan:
		http.Error(w, "range must be one of 5m, 15m, 1h, 6h, 24h", http.StatusBadRequest)
	case theme != "" && theme != "light" && theme != "dark":
		http.Error(w, "theme must be light or dark", http.StatusBadRequest)
	case !okWidth || !okHeight:
		http.Error(w, "width must be a number from 240 to 2400, height from 160 to 1600", http.StatusBadRequest)
	case len(zone) > maxZone || zone == "Local":
		http.Error(w, "tz must be a time zone such as Europe/Berlin", http.StatusBadRequest)
	default:
		s.drawChart(w, r, chart.Request{
			Statistic: statistic.Name, Range: span.Length, Zone: zone, Dark: theme == "dark", Width: width, Height: height,
		})
	}
}

func (s *Server) drawChart(w http.ResponseWriter, r *http.Request, request chart.Request) {
	svg, err := s.charter.SVG(r.Context(), request)
	h := w.Header()
	switch {
	case errors.Is(err, chart.ErrZone):
		http.Error(w, "tz must be a time zone such as Europe/Berlin", http.StatusBadRequest)
		return
	case errors.Is(err, chart.ErrNoData):
		h.Set("Content-Type", "image/svg+xml")
		h.Set("Cache-Control", "no-store")
		h.Set("Retry-After", "5")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(svg) // the client is gone, if anything
		return
	case r.Context().Err() != nil:
		return
	case err != nil:
		s.fail(w, r, "draw the chart", err)
		return
	}
	// The picture's shapes have style attributes. Nothing else may act, should it be opened by itself.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	s.reply(w, r, "image/svg+xml", svg, tag(svg))
}

// size reads a number of pixels; an empty text is the standard size.
func size(text string, standard, low, high int) (int, bool) {
	if text == "" {
		return standard, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, false
	}
	return n / sizeStep * sizeStep, true
}
