package web

import (
	"bytes"
	"encoding/csv"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// latest answers /latest and /latest.csv. With ?color=red (any number of them) it lists those colours only; a colour
// that is not there is no error, since it may be there in five seconds.
func (s *Server) latest(w http.ResponseWriter, r *http.Request) {
	d := s.document(time.Now())
	if colors, ok := r.URL.Query()["color"]; ok {
		d.Colors = slices.DeleteFunc(d.Colors, func(w window) bool { return !slices.Contains(colors, w.Color) })
	}
	w.Header().Set("Vary", "Accept")
	if r.URL.Path == "/latest.csv" || prefersCSV(r.Header.Get("Accept")) {
		body := d.csv()
		s.reply(w, r, "text/csv; charset=utf-8; header=present", body, tag(body))
		return
	}
	body, etag, err := encode(d)
	if err != nil {
		s.fail(w, r, "encode the newest windows", err)
		return
	}
	s.reply(w, r, "application/json", body, etag)
}

// reply sends a body that must be asked for anew each time, or 304 if the client has it already.
func (s *Server) reply(w http.ResponseWriter, r *http.Request, contentType string, body []byte, etag string) {
	h := w.Header()
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", etag)
	h.Set("Content-Type", contentType)
	// It answers If-None-Match, HEAD and ranges.
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// prefersCSV tells whether an Accept header names CSV before JSON, at no lower a quality.
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

// formulaSafe keeps a spreadsheet from taking a colour's name, which anyone may have sent, for a formula.
func formulaSafe(name string) string {
	if name != "" && strings.ContainsRune("=+-@", rune(name[0])) {
		return "'" + name
	}
	return name
}
