package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/dashboard/proxy"
	"colorstream/generator/service/servicetest"
)

// Why there is no panel, in words that tell what to do.
func TestReasons(t *testing.T) {
	t.Parallel()
	closed := httptest.NewServer(nil)
	closed.Close()
	check := func(url string, words ...string) {
		t.Helper()
		p := newPageAway(t, url, nil)
		err := p.Check(t.Context())
		for _, word := range words {
			if err == nil || !strings.Contains(err.Error(), word) {
				t.Errorf("the reason is %v, want %s", err, word)
			}
		}
		p.stop()
	}
	answer := func(handler http.HandlerFunc, words ...string) {
		t.Helper()
		server := httptest.NewServer(handler)
		defer server.Close()
		check(server.URL, words...)
	}
	status := func(code int, words ...string) {
		t.Helper()
		answer(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }, words...)
	}
	text := func(body string, words ...string) {
		t.Helper()
		answer(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }, words...)
	}
	check(closed.URL, closed.URL, "refused")
	status(404, "colors", "no dashboard")
	status(401, "GF_AUTH_ANONYMOUS_ENABLED", "401")
	status(302, "GF_AUTH_ANONYMOUS_ENABLED")
	status(500, "500")
	status(406, "classic") // the v2 schema
	text(`{"dashboard":{"elements":{"panel-1":{}}}}`, "classic")
	text("<html>", "JSON")
	text(`{"dashboard":{"panels":[{"id":12}]}}`, "panels", "[1 2 3 4]")
	answer(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "within")
	answer(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "no answer")
}

// An edit is soon in force, and what was edited away is denied. Without Grafana nothing passes.
func TestEditsFlow(t *testing.T) {
	t.Parallel()
	g, p := start(t, nil, func(cfg *proxy.Config) { cfg.Limits().Refresh = 20 * time.Millisecond })
	panels, before := p.Panels()
	if !cmp.Equal(panels, []int{1, 2, 3, 4}) {
		t.Errorf("panels %v", panels)
	}
	want := func(query string, status int) {
		t.Helper()
		if response, text := fetch(t, p, "POST", "/api/ds/query", body(query)); response.StatusCode != status {
			t.Errorf("%s: answer %d %s, want %d", query, response.StatusCode, text, status)
		}
	}
	edited := meanQuery + "\n|> yield()"
	want(edited, 403)
	g.set(func() { g.dashboard, g.queries = dashboard(2, edited), []string{edited, medianQuery} })
	servicetest.Eventually(t, "the edit is known", func() bool {
		_, after := p.Panels()
		return after != before
	})
	want(edited, 200)
	want(meanQuery, 403)
	g.Close()
	servicetest.Eventually(t, "Grafana is away", func() bool { return !p.available() })
	want(edited, 403)
	if response, text := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 ||
		!strings.Contains(text, "does not answer") {
		t.Errorf("a panel: %d %q", response.StatusCode, text)
	}
}
