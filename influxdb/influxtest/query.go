package influxtest

import (
	"maps"
	"net/http"
	"slices"
	"testing"

	"colorstream/influxdb/flux"
)

// Row is one row of a result: its columns by name, without those that are null or empty in it.
type Row = flux.Row

// Query runs Flux with the administrator's token and fails the test if that does not succeed.
func (s *Server) Query(t testing.TB, query string) []Row {
	t.Helper()
	rows, err := s.TryQuery(t, s.AdminToken, query)
	if err != nil {
		t.Fatalf("influxtest: query: %v\n%s", err, query)
	}
	return rows
}

// TryQuery runs Flux with a token that may lack the permission.
func (s *Server) TryQuery(t testing.TB, token, query string) ([]Row, error) {
	t.Helper()
	tables, err := s.client(token).Run(t.Context(), query)
	rows := slices.Concat(tables...)
	for _, row := range rows {
		maps.DeleteFunc(row, func(_ string, value any) bool { return value == nil })
	}
	return rows, err
}

func (s *Server) client(token string) flux.Client {
	return flux.Client{URL: s.URL, Org: s.Org, Token: token}
}

// Write writes line protocol with nanoseconds to the bucket, with the worker's token.
func (s *Server) Write(t testing.TB, lines string) {
	t.Helper()
	if err := s.TryWrite(t, s.WorkerToken, lines); err != nil {
		t.Fatalf("influxtest: write: %v\n%s", err, lines)
	}
}

// TryWrite writes with a token that may lack the permission.
func (s *Server) TryWrite(t testing.TB, token, lines string) error {
	t.Helper()
	return s.client(token).Write(t.Context(), s.Bucket, []byte(lines))
}

// Get reads from InfluxDB's HTTP API.
func (s *Server) Get(t testing.TB, token, path string) ([]byte, error) {
	t.Helper()
	return s.client(token).Call(t.Context(), http.MethodGet, path, "", nil)
}
