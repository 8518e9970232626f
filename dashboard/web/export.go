package web

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/palette"
	"colorstream/influxdb/series"
)

// A document is what /latest answers:
//
//	{
//	  "window_seconds": 5,
//	  "stale_after_seconds": 30,
//	  "newest": "2026-01-02T03:04:00Z",
//	  "omitted": 0,
//	  "failure": "",
//	  "colors": [
//	    {
//	      "color": "red",
//	      "shade": {"light": "#e02f44", "dark": "#f2495c"},
//	      "start": "2026-01-02T03:04:00Z",
//	      "end": "2026-01-02T03:04:05Z",
//	      "mean": 50.5,
//	      "median": 50,
//	      "min": 1,
//	      "max": 100,
//	      "count": 5,
//	      "complete": true,
//	      "exact": true,
//	      "stale": false,
//	      "previous": {"start": "2026-01-02T03:03:55Z", "mean": 48.25, "median": 47, "min": 3, "max": 99, "count": 4}
//	    }
//	  ]
//	}
//
// | field               | type    | unit          | meaning                                              |
// |---------------------|---------|---------------|------------------------------------------------------|
// | window_seconds      | number  | s             | width of a window                                    |
// | stale_after_seconds | number  | s             | age of a window's end after which its colour is stale |
// | newest              | string  | RFC 3339, UTC | start of the newest window of all; null if none      |
// | omitted             | integer | colours       | colours that are too many to be kept                 |
// | failure             | string  | –             | why InfluxDB cannot be read; the colors are then the |
// |                     |         |               | last ones that could be                              |
// | colors              | array   | –             | the newest window of each, in the view's order       |
// | shade               | object  | #rrggbb       | to draw the colour on a light and a dark background  |
// | start, end          | string  | RFC 3339, UTC | the window is [start, end)                           |
// | mean … max          | number  | the messages' | statistics of the values in the window: those that   |
// |                     |         |               | the worker computes; null where there is none        |
// | count               | integer | messages      | messages in the window                               |
// | complete            | boolean | –             | false: messages may be missing                       |
// | exact               | boolean | –             | false: median and percentiles are approximate        |
// | stale               | boolean | –             | the window ended too long ago for a living colour    |
// | previous            | object  | –             | the colour's window before; null if none is known    |
//
// All colours are listed, by name. With the page's parameters (q, sort, attention, page, size) they
// are those that the page shows, with color (any number of them) only those.
type document struct {
	WindowSeconds     float64    `json:"window_seconds"`
	StaleAfterSeconds float64    `json:"stale_after_seconds"`
	Newest            *time.Time `json:"newest"`
	Omitted           int        `json:"omitted"`
	Failure           string     `json:"failure"`
	Colors            []window   `json:"colors"`
}

// A window is what is told of one, by name.
type window map[string]any

// window has what every window has.
func (m *moment) window(p *series.Point) window {
	w := window{"start": p.Start, series.Count: p.Count}
	for _, name := range m.Statistics {
		w[string(name)] = number(p.Value(name))
	}
	return w
}

// newest is a colour's newest window.
func (m *moment) newest(c *latest.Color) window {
	w := m.window(&c.Point)
	w["color"], w["shade"], w["end"] = c.Color, palette.Of(c.Color), c.Start.Add(m.config.Window)
	w["complete"], w["exact"], w["stale"] = c.Complete, !c.Approximate, m.late(c) != ""
	w["previous"] = nil
	if c.Before != nil {
		w["previous"] = m.window(c.Before)
	}
	return w
}

func (m *moment) document(colors []*latest.Color) document {
	d := document{
		WindowSeconds: m.config.Window.Seconds(), StaleAfterSeconds: m.config.Stale.Seconds(),
		Omitted: m.Omitted, Failure: latest.Reason(m.Failure), Colors: make([]window, len(colors)),
	}
	if !m.Newest.IsZero() {
		d.Newest = &m.Newest
	}
	for i, c := range colors {
		d.Colors[i] = m.newest(c)
	}
	return d
}

// latest answers /latest and /latest.csv. A colour that is not there is no error, since it may be
// there in five seconds.
func (s *Server) latest(w http.ResponseWriter, r *http.Request) {
	query, m := r.URL.Query(), s.moment()
	colors, v := m.Colors, readView(query, m.Statistics)
	if names, ok := query["color"]; ok {
		colors = slices.DeleteFunc(slices.Clone(colors), func(c *latest.Color) bool {
			return !slices.Contains(names, c.Color)
		})
	} else {
		if !query.Has("page") && !query.Has("size") {
			v.Size = max(1, len(colors))
		}
		colors, _ = m.table(v)
	}
	if r.URL.Path == "/latest.csv" {
		reply(w, r, "text/csv; charset=utf-8; header=present", m.csv(colors))
		return
	}
	reply(w, r, "application/json", encode(m.document(colors)))
}

// csv writes the windows as a table with a header.
func (m *moment) csv(colors []*latest.Color) []byte {
	columns := []string{"color", "start", "end"}
	for _, name := range slices.SortedFunc(slices.Values(m.Statistics), series.Statistic.Compare) {
		columns = append(columns, string(name))
	}
	columns = append(columns, "count", "complete", "exact", "stale")
	var buffer bytes.Buffer
	w := csv.NewWriter(&buffer)
	_ = w.Write(columns) // a buffer takes all
	line := make([]string, len(columns))
	for _, c := range colors {
		window := m.newest(c)
		for i, name := range columns {
			line[i] = text(window[name])
		}
		line[0] = formulaSafe(c.Color)
		_ = w.Write(line)
	}
	w.Flush()
	return buffer.Bytes()
}

// text writes a value as JSON would; what is not there is nothing.
func text(value any) string {
	switch v := value.(type) {
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case nil:
		return ""
	}
	return fmt.Sprint(value)
}

// formulaSafe keeps a spreadsheet from taking a colour's name, which anyone may have sent, for a
// formula.
func formulaSafe(name string) string {
	if name != "" && strings.ContainsRune("=+-@", rune(name[0])) {
		return "'" + name
	}
	return name
}
