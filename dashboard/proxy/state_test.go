package proxy_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/dashboard/proxy"
)

// Grafana appears, disappears and returns, and each is known within five seconds.
func TestGrafanaComesAndGoes(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	p := newPageAway(t, "http://"+address, nil) // with the default times
	within := func(what string, available bool) {
		t.Helper()
		began := time.Now()
		eventually(t, what, func() bool { return p.available() == available })
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s after %v, want 5 s at most", what, took)
		}
	}
	if err := p.Check(); err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("the reason is %v", err)
	}
	if response, text := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 ||
		!strings.Contains(text, "does not answer") {
		t.Errorf("a panel without Grafana: %d %q", response.StatusCode, text)
	}
	g := newGrafana(t)
	for range 2 {
		if l, err = net.Listen("tcp", address); err != nil {
			t.Fatal(err)
		}
		real := &http.Server{Handler: g}
		var serving sync.WaitGroup
		serving.Go(func() { _ = real.Serve(l) })
		within("Grafana answers", true)
		if panels, revision := p.Panels(); revision == "" || !cmp.Equal(panels, []int{1, 2, 3, 4}) {
			t.Errorf("panels %v, revision %q", panels, revision)
		}
		if response, _ := fetch(t, p, "POST", "/api/ds/query", body(meanQuery)); response.StatusCode != 200 {
			t.Errorf("a query: %d", response.StatusCode)
		}
		real.Close()
		serving.Wait()
		within("Grafana is gone", false)
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
	_, before := p.Panels()
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

func TestEditsAreSeenByThemselves(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().Refresh = 100 * time.Millisecond })
	_, before := p.Panels()
	g.set(func() { g.dashboard = dashboard(2, meanQuery) }) // another title, perhaps
	eventually(t, "the revision changes", func() bool { _, after := p.Panels(); return after != before })
	g.set(func() { g.dashboard = "" })
	eventually(t, "the dashboard is gone", func() bool { return !p.available() })
	if response, _ := fetch(t, p, "POST", "/api/ds/query", body(meanQuery)); response.StatusCode != 403 {
		t.Errorf("a query of a dashboard that is gone: %d", response.StatusCode)
	}
}

// Whoever posts unknown queries does not make the proxy ask Grafana more than twice a second.
func TestUnknownQueriesAreCheap(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.TrustProxy, cfg.Limits().Refresh = true, time.Hour })
	began := time.Now()
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			if response, _, err := try(t, p, "POST", "/api/ds/query", body(fmt.Sprint("unknown ", i)), fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i%10)); err != nil || response.StatusCode != 403 {
				t.Errorf("%.40v %v", response, err)
			}
		})
	}
	all.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := 3 + int(time.Since(began)/(500*time.Millisecond)); g.looks > most {
		t.Errorf("%d looks at the dashboard in %v, want %d at most", g.looks, time.Since(began), most)
	}
}
