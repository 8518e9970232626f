package web

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/palette"
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
// | mean … max          | number  | the messages' | statistics of the values in the window               |
// | count               | integer | messages      | messages in the window                               |
// | complete            | boolean | –             | false: messages may be missing                       |
// | exact               | boolean | –             | false: the median is approximate                     |
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

// A window is one colour's newest window.
type window struct {
	Color    string        `json:"color"`
	Shade    palette.Shade `json:"shade"`
	Start    time.Time     `json:"start"`
	End      time.Time     `json:"end"`
	Mean     float64       `json:"mean"`
	Median   float64       `json:"median"`
	Min      float64       `json:"min"`
	Max      float64       `json:"max"`
	Count    int64         `json:"count"`
	Complete bool          `json:"complete"`
	Exact    bool          `json:"exact"`
	Stale    bool          `json:"stale"`
	Previous *previous     `json:"previous"`
}

type previous struct {
	Start  time.Time `json:"start"`
	Mean   float64   `json:"mean"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Count  int64     `json:"count"`
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
		w := window{
			Color: c.Color, Shade: palette.Of(c.Color), Start: c.Start, End: c.Start.Add(m.config.Window),
			Mean: c.Mean, Median: c.Median, Min: c.Min, Max: c.Max, Count: c.Count,
			Complete: c.Complete, Exact: !c.Approximate, Stale: m.late(c) != "",
		}
		if p := c.Before; p != nil {
			w.Previous = &previous{p.Start, p.Mean, p.Median, p.Min, p.Max, p.Count}
		}
		d.Colors[i] = w
	}
	return d
}

// latest answers /latest and /latest.csv. A colour that is not there is no error, since it may be
// there in five seconds.
func (s *Server) latest(w http.ResponseWriter, r *http.Request) {
	query, m := r.URL.Query(), s.moment()
	colors, v := m.Colors, readView(query)
	if names, ok := query["color"]; ok {
		colors = slices.DeleteFunc(slices.Clone(colors), func(c *latest.Color) bool {
			return !slices.Contains(names, c.Color)
		})
	} else {
		if !query.Has("page") && !query.Has("size") {
			v.Size = max(1, len(colors))
		}
		colors = m.table(v).colors
	}
	d := m.document(colors)
	w.Header().Set("Vary", "Accept")
	if r.URL.Path == "/latest.csv" || prefersCSV(r.Header.Get("Accept")) {
		s.reply(w, r, "text/csv; charset=utf-8; header=present", d.csv())
		return
	}
	s.replyJSON(w, r, d)
}

// prefersCSV reports whether an Accept header names CSV before JSON, at no lower a quality.
func prefersCSV(accept string) bool {
	csvQuality, jsonQuality := 0.0, 0.0
	for part := range strings.SplitSeq(accept, ",") {
		kind, parameters, _ := strings.Cut(part, ";")
		quality := 1.0
		if _, q, ok := strings.Cut(parameters, "q="); ok {
			if parsed, err := strconv.ParseFloat(strings.TrimSpace(q), 64); err == nil {
				quality = parsed
			}
		}
		switch strings.ToLower(strings.TrimSpace(kind)) {
		case "text/csv":
			csvQuality = max(csvQuality, quality)
		case "application/json", "application/*":
			jsonQuality = max(jsonQuality, quality)
		}
	}
	return csvQuality > 0 && csvQuality >= jsonQuality
}

// csv writes the windows as a table with a header.
func (d document) csv() []byte {
	var buffer bytes.Buffer
	w := csv.NewWriter(&buffer)
	_ = w.Write([]string{ // a buffer takes all
		"color", "start", "end", "mean", "median", "min", "max", "count", "complete", "exact", "stale",
	})
	number := func(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }
	for _, c := range d.Colors {
		_ = w.Write([]string{
			formulaSafe(c.Color), c.Start.Format(time.RFC3339Nano), c.End.Format(time.RFC3339Nano),
			number(c.Mean), number(c.Median), number(c.Min), number(c.Max), strconv.FormatInt(c.Count, 10),
			strconv.FormatBool(c.Complete), strconv.FormatBool(c.Exact), strconv.FormatBool(c.Stale),
		})
	}
	w.Flush()
	return buffer.Bytes()
}

// formulaSafe keeps a spreadsheet from taking a colour's name, which anyone may have sent, for a
// formula.
func formulaSafe(name string) string {
	if name != "" && strings.ContainsRune("=+-@", rune(name[0])) {
		return "'" + name
	}
	return name
}
