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
)

func TestWithoutGrafana(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(nil)
	server.Close()
	p := newPageAway(t, server.URL, nil)
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), server.URL) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the reason is %v", err)
	}
	if response, text := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 ||
		!strings.Contains(text, "does not answer") {
		t.Errorf("a panel: %d %q", response.StatusCode, text)
	}
}

func TestReasons(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    []string
	}{
		"absent":    {http.NotFound, []string{"colors", "no dashboard"}},
		"anonymous": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, []string{"GF_AUTH_ANONYMOUS_ENABLED", "401"}},
		"login":     {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", http.StatusFound) }, []string{"GF_AUTH_ANONYMOUS_ENABLED"}},
		"error":     {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, []string{"500"}},
		"not JSON":  {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, []string{"JSON"}},
		"v2 schema": {func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"dashboard":{"elements":{"panel-1":{}}}}`)
		}, []string{"classic"}},
		"v2 stored": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(406) }, []string{"classic"}},
		"no panels": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"dashboard":{"panels":[{"id":12}]}}`) }, []string{"panels", "[1 2 3 4]"}},
		"hangs":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, []string{"within"}},
		"broken":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, []string{"no answer"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(c.handler)
			t.Cleanup(server.Close)
			err := newPageAway(t, server.URL, nil).Check()
			for _, word := range c.want {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("the reason is %v, want %s", err, word)
				}
			}
		})
	}
}

// An edit is in force with its first query, whatever Config.Refresh is, and what was edited away is
// denied.
func TestEditsFlow(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().Refresh = time.Hour })
	panels, before := p.Panels()
	if !cmp.Equal(panels, []int{1, 2, 3, 4}) {
		t.Errorf("panels %v", panels)
	}
	edited := meanQuery + "\n|> yield()"
	if response, _ := fetch(t, p, "POST", "/api/ds/query", body(edited)); response.StatusCode != 403 {
		t.Errorf("before the edit: %d", response.StatusCode)
	}
	g.set(func() { g.dashboard, g.queries = dashboard(2, edited), []string{edited, medianQuery} })
	began := time.Now()
	if response, text := fetch(t, p, "POST", "/api/ds/query", body(edited)); response.StatusCode != 200 {
		t.Errorf("after the edit: %d %s", response.StatusCode, text)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("the edit was in force after %v", took)
	}
	if response, _ := fetch(t, p, "POST", "/api/ds/query", body(meanQuery)); response.StatusCode != 403 {
		t.Errorf("the old query after the edit: %d", response.StatusCode)
	}
	if _, after := p.Panels(); after == before {
		t.Error("the revision is the same after an edit")
	}
}
