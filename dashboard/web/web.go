// Package web answers the page's own requests: the page itself, the newest windows as JSON or CSV, the events that
// keep the page current, the chart that stands in for Grafana, and the files that the page uses.
//
// It reads nothing itself: what it shows comes from its caller's sources. All text from the data passes through
// html/template, encoding/json, encoding/csv or the chart's own escaping, and reaches the page's document as text,
// never as markup.
package web

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/dashboard/chart"
	"colorstream/dashboard/latest"
	"colorstream/dashboard/live"
	"colorstream/influxdb/series"
)

//go:embed templates static
var files embed.FS

// Config says how the page looks at the data.
type Config struct {
	Window       time.Duration // width of the worker's windows
	Stale        time.Duration // age of a window's end after which its colour is stale
	Refresh      time.Duration // of the panel, and of browsers that cannot follow the events
	GrafanaURL   string        // where the page's readers reach Grafana
	DashboardUID string        // of the dashboard that the panels are on
	Clients      int           // how many may follow the events at a time
}

// A Source knows the newest windows.
type Source interface {
	Snapshot() latest.Snapshot
}

// A Charter draws pictures.
type Charter interface {
	// SVG returns a picture even if its error is chart.ErrNoData.
	SVG(context.Context, chart.Request) ([]byte, error)
}

// Server answers the page's requests.
type Server struct {
	log     *slog.Logger
	config  Config
	source  Source
	charter Charter
	panel   func() Panel
	page    *template.Template
	assets  map[string]asset
	feed    *live.Feed
	events  *live.Server
}

// New makes the server. panel tells at any time how Grafana is.
func New(
	log *slog.Logger, source Source, charter Charter, panel func() Panel, metrics prometheus.Registerer, config Config,
) (*Server, error) {
	page, err := template.ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	assets, err := readAssets(files)
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	s := &Server{log: log, config: config, source: source, charter: charter, panel: panel, page: page, assets: assets}
	s.feed = live.NewFeed(time.Now(), s.snapshot)
	s.events = live.NewServer(s.feed, config.Clients, metrics)
	return s, nil
}

// Publish tells every browser of new windows. It does not block.
func (s *Server) Publish(snapshot latest.Snapshot, news []series.Point) {
	if len(news) == 0 {
		return
	}
	previous := make(map[string]*series.Point, len(snapshot.Colors))
	for _, c := range snapshot.Colors {
		previous[c.Color] = c.Previous
	}
	now := time.Now()
	windows := make([]window, len(news))
	last := make(map[string]*series.Point, len(news))
	for i, p := range news {
		c := latest.Color{Point: p, Previous: last[p.Color]}
		if c.Previous == nil || !c.Previous.Start.Before(p.Start) {
			c.Previous = previous[p.Color]
		}
		if c.Previous != nil && !c.Previous.Start.Before(p.Start) {
			c.Previous = nil // of several windows at once, the one before the first is not kept
		}
		windows[i] = s.config.newWindow(c, now)
		last[p.Color] = &news[i]
	}
	data, err := json.Marshal(struct {
		Windows []window `json:"windows"`
	}{windows})
	if err != nil {
		s.log.Error("cannot tell the browsers of new windows", "error", err)
		return
	}
	s.feed.Publish("windows", data)
}

// Register adds the page's paths to mux.
func (s *Server) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /latest", s.latest)
	mux.HandleFunc("GET /latest.csv", s.latest)
	mux.Handle("GET /events", s.events)
	mux.HandleFunc("GET /chart.svg", s.chart)
	mux.HandleFunc("GET /static/{name}", s.static)
}

// Owns tells whether a path is the page's or the operator's own, not one of Grafana's.
func Owns(path string) bool {
	switch path {
	case "/", "/latest", "/latest.csv", "/events", "/chart.svg", "/healthz", "/readyz", "/metrics":
		return true
	}
	name, ok := strings.CutPrefix(path, "/static/")
	return ok && !strings.Contains(name, "/")
}

func (s *Server) document(now time.Time) document {
	return s.config.newDocument(s.source.Snapshot(), s.state(), now)
}

// snapshot is the document for a browser that begins to follow the events.
func (s *Server) snapshot() []byte {
	data, err := json.Marshal(s.document(time.Now()))
	if err != nil {
		s.log.Error("cannot tell a browser of the windows", "error", err)
		return []byte("null")
	}
	return data
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, what string, err error) {
	s.log.Error("cannot answer a request", "path", r.URL.Path, "while", what, "error", err)
	http.Error(w, "cannot "+what, http.StatusInternalServerError)
}
