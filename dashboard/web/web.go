// Package web answers the page's own requests: the page itself, the table's events, the chart and
// its values, and the newest windows as JSON or CSV.
//
// It reads nothing itself: what it shows comes from its caller's sources. All text from the data
// passes through html/template, encoding/json, encoding/csv or the chart's escaping. All addresses
// are relative, so that the page works under any path.
package web

import (
	"context"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"sync"
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
	Lookback     time.Duration // colours without a window for this long are not known
	Refresh      time.Duration // of the panel, and of browsers that cannot follow the events
	GrafanaURL   string        // where the page's readers reach Grafana
	DashboardUID string        // of the dashboard that the panels are on
	Clients      int           // how many may follow the events at a time
}

// A History has the points of some colours in [begin, end), by colour and time: single windows, or
// in steps of several.
type History interface {
	Between(ctx context.Context, colors []string, begin, end time.Time) ([]series.Point, error)
	Steps(ctx context.Context, colors []string,
		begin, end time.Time, step time.Duration) ([]series.Point, error)
}

// Server answers the page's requests.
type Server struct {
	log       *slog.Logger
	config    Config
	grafana   func() Grafana
	templates *template.Template
	assets    map[string]asset
	events    *live.Server
	states    *live.Feed
	charts    *charts

	telling sync.Mutex
	told    state // the newest published state, guarded by telling

	mu      sync.Mutex
	now     *moment         // guarded by mu, as is the next
	watches map[view]*watch // the views that are followed
}

// New makes the server. grafana tells at any time how Grafana is.
func New(
	log *slog.Logger, history History, grafana func() Grafana, metrics prometheus.Registerer,
	config Config,
) (*Server, error) {
	assets, err := readAssets(files)
	if err != nil {
		return nil, fmt.Errorf("read the page's files: %w", err)
	}
	functions := template.FuncMap{
		"asset":  func(name string) string { return "static/" + name + "?v=" + assets[name].version },
		"count":  func(n int) string { return formatCount(int64(n)) },
		"plural": plural,
		"title":  chart.Title,
	}
	templates, err := template.New("page").Funcs(functions).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	s := &Server{
		log: log, config: config, grafana: grafana, templates: templates, assets: assets,
		events: live.NewServer(config.Clients, metrics), charts: newCharts(log, history),
		watches: make(map[view]*watch),
	}
	unread := latest.Snapshot{Failure: latest.ErrNotRead, Since: time.Now()}
	s.now = newMoment(unread, config, templates, time.Now())
	s.states = live.NewFeed(s.wholeState)
	return s, nil
}

// Publish tells every browser of new windows. It does not wait for them.
func (s *Server) Publish(snapshot latest.Snapshot) {
	s.mu.Lock()
	s.show(snapshot, time.Now())
	s.mu.Unlock()
	s.tell(time.Now())
}

// age shows the same windows again when their ages have changed.
func (s *Server) age(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.now.now) >= agingInterval {
		s.show(s.now.Snapshot, now)
	}
}

// show makes snapshot the present one. The caller holds s.mu.
func (s *Server) show(snapshot latest.Snapshot, now time.Time) {
	s.now = newMoment(snapshot, s.config, s.templates, now)
	s.update()
}

func (s *Server) moment() *moment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Register adds the page's paths to mux.
func (s *Server) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /rows", s.rows)
	mux.HandleFunc("GET /events", s.follow)
	mux.HandleFunc("GET /series", s.series)
	mux.HandleFunc("GET /chart.svg", s.chart)
	mux.HandleFunc("GET /latest", s.latest)
	mux.HandleFunc("GET /latest.csv", s.latest)
	mux.HandleFunc("GET /static/{name}", s.static)
}

// Owns reports whether a path is the page's or the operator's own, not one of Grafana's.
func Owns(path string) bool {
	switch path {
	case "/", "/rows", "/events", "/series", "/chart.svg", "/latest", "/latest.csv",
		"/healthz", "/readyz", "/metrics":
		return true
	}
	name, ok := strings.CutPrefix(path, "/static/")
	return ok && !strings.Contains(name, "/")
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, what string, err error) {
	s.log.Error("cannot answer a request", "path", r.URL.Path, "while", what, "error", err)
	http.Error(w, "cannot "+what, http.StatusInternalServerError)
}
