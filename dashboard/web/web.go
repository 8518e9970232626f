// Package web answers the page's own requests: the page itself, the newest windows as JSON or CSV, and the files
// that the page uses.
//
// It reads nothing itself: what it shows comes from its caller's sources. All text from the data passes through
// html/template, encoding/json or encoding/csv.
package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"colorstream/dashboard/latest"
)

//go:embed templates static
var files embed.FS

// Config says how the page looks at the data.
type Config struct {
	Window time.Duration // width of the worker's windows
	Stale  time.Duration // age of a window's end after which its colour is stale
}

// A Source knows the newest windows.
type Source interface {
	Snapshot() latest.Snapshot
}

// Server answers the page's requests.
type Server struct {
	log    *slog.Logger
	source Source
	config Config
	page   *template.Template
}

// New makes the server.
func New(log *slog.Logger, source Source, config Config) (*Server, error) {
	page, err := template.ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("parse the page: %w", err)
	}
	return &Server{log: log, source: source, config: config, page: page}, nil
}

// Register adds the page's paths to mux.
func (s *Server) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", s.index)
	mux.HandleFunc("GET /latest", s.latest)
	mux.HandleFunc("GET /latest.csv", s.latest)
	mux.Handle("GET /static/", http.FileServerFS(files))
}

// Owns tells whether a path is the page's or the operator's own, not one of Grafana's.
func Owns(path string) bool {
	switch path {
	case "/", "/latest", "/latest.csv", "/events", "/chart.svg", "/healthz", "/readyz", "/metrics":
		return true
	}
	return strings.HasPrefix(path, "/static/")
}

func (s *Server) index(w http.ResponseWriter, r *http.Request) {
	var body bytes.Buffer
	now := time.Now()
	err := s.page.ExecuteTemplate(&body, "page.html", map[string]any{
		"Document": s.config.newDocument(s.source.Snapshot(), now),
		"Now":      now,
	})
	if err != nil {
		s.fail(w, r, "draw the page", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = body.WriteTo(w) // the client is gone, if anything
}
