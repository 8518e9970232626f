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
	"html/template"
	"log/slog"
	"net/http"
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
	DashboardUID string        // of the dashboard that the panels are on
	Clients      int           // how many may follow the events at a time
}

// A History has the points of some colours in [begin, end), by colour and time, each made of the
// windows of one step.
type History interface {
	Steps(ctx context.Context, colors []string,
		begin, end time.Time, step time.Duration) ([]series.Point, error)
}

// Server answers the page's requests.
type Server struct {
	config    Config
	grafana   func() (panels []int, revision string)
	templates *template.Template
	events    *live.Server
	log       *slog.Logger
	history   History

	mu  sync.Mutex
	now *moment // guarded by mu
}

// New makes the server. grafana tells at any time which panels Grafana has, none if it is away; the
// revision changes when they have been edited.
func New(
	log *slog.Logger, history History, grafana func() (panels []int, revision string),
	metrics prometheus.Registerer, config Config,
) *Server {
	functions := template.FuncMap{
		"asset":  asset,
		"count":  func(n int) string { return formatCount(int64(n)) },
		"plural": plural,
		"title":  chart.Title,
	}
	page := template.New("page").Funcs(functions)
	s := &Server{
		config: config, grafana: grafana,
		templates: template.Must(page.ParseFS(files, "templates/*.html")),
		events:    live.NewServer(config.Clients, metrics),
		log:       log, history: history,
	}
	s.show(latest.Snapshot{Failure: latest.ErrNotRead}, time.Now())
	return s
}

// Publish tells every browser of new windows. It does not wait for them.
func (s *Server) Publish(snapshot latest.Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.show(snapshot, time.Now())
}

func (s *Server) moment() *moment {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

// Register adds the page's paths to mux.
func (s *Server) Register(mux *http.ServeMux) {
	mux.HandleFunc("/{$}", s.index)
	mux.HandleFunc("/rows", s.rows)
	mux.HandleFunc("/events", s.follow)
	mux.HandleFunc("/series", s.series)
	mux.HandleFunc("/chart.svg", s.chart)
	mux.HandleFunc("/latest", s.latest)
	mux.HandleFunc("/latest.csv", s.latest)
	mux.HandleFunc("/static/{name}", s.static)
}
