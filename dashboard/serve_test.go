package main

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestDashboardsAreGrafanas: a link to a dashboard leads to Grafana's public address, and nowhere
// else.
func TestDashboardsAreGrafanas(t *testing.T) {
	own := http.NewServeMux()
	own.HandleFunc("/d/", dashboards("https://grafana.example/sub"))
	handler := split(own, http.NotFoundHandler())
	want := func(method, target string, status int, location string) {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(method, target, nil))
		if got := w.Header().Get("Location"); w.Code != status || got != location {
			t.Errorf("%s %s: %d %q, want %d %q", method, target, w.Code, got, status, location)
		}
	}
	want("GET", "/d/color/one-colour?var-color=red&from=1",
		302, "https://grafana.example/sub/d/color/one-colour?var-color=red&from=1")
	want("GET", "/d/color/a%2Fb", 302, "https://grafana.example/sub/d/color/a%2Fb")
	want("GET", "/d/..", 404, "")
	want("GET", "/d/x/../../login", 404, "")
	want("GET", "/d//evil.example", 404, "")
	want("POST", "/d/color", 405, "")
	want("GET", "/d-solo/colors/x", 404, "")
	want("GET", "//evil.example/d/", 404, "")
}
