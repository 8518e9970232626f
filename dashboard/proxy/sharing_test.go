package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colorstream/dashboard/proxy"
)

// A hundred panels ask at once, and Grafana is asked once.
func TestEqualQueriesShare(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	var asked atomic.Int32
	release := make(chan struct{})
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-release
		_, _ = io.WriteString(w, `{"results":{}}`)
	}
	p := newPage(t, g.URL, nil)
	const panels = 100
	var all sync.WaitGroup
	for i := range panels {
		all.Go(func() {
			// Each has its own milliseconds and width.
			mine := strings.NewReplacer("00123", fmt.Sprintf("00%03d", i+1), "881", fmt.Sprint(801+i)).Replace(body(meanQuery))
			response, text, err := try(t, p, "POST", "/api/ds/query", mine)
			if err != nil || response.StatusCode != 200 || text != `{"results":{}}` {
				t.Errorf("panel %d: %v %v %q", i, err, response, text)
			}
		})
	}
	eventually(t, "the first query is under way", func() bool { return asked.Load() > 0 })
	close(release)
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("Grafana was asked %d times for %d equal queries, want 1", n, panels)
	}
	if pass, shared := decisions(t, p, "pass"), decisions(t, p, "shared"); pass != 1 || shared != panels-1 {
		t.Errorf("metrics: %v passed, %v shared", pass, shared)
	}
}

// A query's answer is kept for a second, no longer, and only for the same query.
func TestQueryAnswersAreKeptBriefly(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, nil)
	count := func() int { _, bodies := g.record(); return len(bodies) }
	for range 3 {
		fetch(t, p, "POST", "/api/ds/query", body(meanQuery))
	}
	if n := count(); n != 1 {
		t.Errorf("asked %d times within a second, want 1", n)
	}
	fetch(t, p, "POST", "/api/ds/query", body(medianQuery))
	fetch(t, p, "POST", "/api/ds/query", strings.Replace(body(meanQuery), `"to":"1767226500123"`, `"to":"1767226501123"`, 1))
	if n := count(); n != 3 {
		t.Errorf("asked %d times for three queries", n)
	}
	eventually(t, "the answer is forgotten", func() bool {
		fetch(t, p, "POST", "/api/ds/query", body(meanQuery))
		return count() == 4
	})
}

// A browser that leaves does not take the answer away from those who wait for the same.
func TestLeaverDoesNotSpoilSharedAnswer(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-release
		_, _ = io.WriteString(w, "done")
	}
	p := newPage(t, g.URL, nil)
	leaver, err := http.NewRequest("GET", p.URL+"/public/build/a.js", nil)
	if err != nil {
		t.Fatal(err)
	}
	leaver.Header.Set("Accept-Encoding", "gzip")
	client := &http.Client{Timeout: 100 * time.Millisecond, Transport: p.Client().Transport}
	var left sync.WaitGroup
	left.Go(func() {
		if response, err := client.Do(leaver); err == nil {
			response.Body.Close()
			t.Error("the leaver got an answer")
		}
	})
	<-arrived
	var stayed sync.WaitGroup
	stayed.Go(func() {
		if _, text, err := try(t, p, "GET", "/public/build/a.js", ""); err != nil || text != "done" {
			t.Errorf("who stayed got %q, %v", text, err)
		}
	})
	left.Wait()
	eventually(t, "the leaver is noticed", func() bool { return decisions(t, p, "gone") == 1 })
	close(release)
	stayed.Wait()
	if seen, _ := g.record(); len(seen) != 1 {
		t.Errorf("Grafana was asked %q", seen)
	}
}

func TestAssetsAreCached(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		path, control, vary string
		status              int
		want                int // requests of three that reach Grafana
	}{
		{"/public/build/a.js", "public, max-age=31536000", "", 200, 1},
		{"/public/build/a.js", "public, max-age=31536000, immutable", "Accept-Encoding", 200, 1},
		{"/public/build/a.js", "max-age=60", "", 200, 1},
		{"/public/build/a.js", "private, max-age=60", "", 200, 3},
		{"/public/build/a.js", "public, max-age=60, must-revalidate", "", 200, 3},
		{"/public/build/a.js", "no-store", "", 200, 3},
		{"/public/build/a.js", "no-cache", "", 200, 3},
		{"/public/build/a.js", "max-age=0", "", 200, 3},
		{"/public/build/a.js", "max-age=x", "", 200, 3},
		{"/public/build/a.js", "", "", 200, 3},
		{"/public/build/a.js", "public, max-age=60", "Cookie", 200, 3},
		{"/public/build/a.js", "public, max-age=60", "", 404, 3},
		{"/public/build/a.js", "public, max-age=60", "", 500, 3},
		{"/public/img/a.svg", "public, max-age=60", "", 200, 3}, // may change under the same name
	} {
		g := newGrafana(t)
		g.answer = func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Cache-Control", c.control)
			if c.vary != "" {
				w.Header().Set("Vary", c.vary)
			}
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, r.URL.Path)
		}
		p := newPage(t, g.URL, nil)
		for range 3 {
			if response, text := fetch(t, p, "GET", c.path, ""); text != c.path || response.StatusCode != c.status {
				t.Errorf("%+v: answer %d %q", c, response.StatusCode, text)
			}
		}
		if seen, _ := g.record(); len(seen) != c.want {
			t.Errorf("%+v: %d requests reached Grafana", c, len(seen))
		}
		p.stop()
	}
}

// Who cannot unpack gzip does not get what another got.
func TestEncodingsDoNotMix(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.Header().Set("Vary", "Accept-Encoding")
		_, _ = fmt.Fprintf(w, "as %q", r.Header["Accept-Encoding"])
	}
	p := newPage(t, g.URL, nil)
	for range 2 {
		for header, want := range map[string]string{
			"Accept-Encoding: gzip, deflate, br": `as ["gzip"]`, "Accept-Encoding: br, GZIP;q=0.5": `as ["gzip"]`,
			"Accept-Encoding: gzip;q=0": `as []`, "Accept-Encoding: identity": `as []`, "Accept-Encoding: xgzip": `as []`,
		} {
			if _, text := fetch(t, p, "GET", "/public/build/a.js", "", header); text != want {
				t.Errorf("with %s: %s, want %s", header, text, want)
			}
		}
	}
	if seen, _ := g.record(); len(seen) != 2 {
		t.Errorf("Grafana was asked %d times for two encodings", len(seen))
	}
}

// The cache stays within its bound, and what is too large for sharing is streamed.
func TestSharedSizes(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	large := strings.Repeat("x", 5000)
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=60")
		if strings.Contains(r.URL.Path, "chunked") {
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = io.WriteString(w, large)
	}
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits.SharedBytes = 4096 })
	for _, path := range []string{"/public/build/a.js", "/public/build/chunked.js"} {
		if response, text := fetch(t, p, "GET", path, ""); response.StatusCode != 200 || text != large {
			t.Errorf("%s: answer %d, %d bytes", path, response.StatusCode, len(text))
		}
	}
	response, text := fetch(t, p, "POST", "/api/ds/query", body(meanQuery))
	if response.StatusCode != 502 || !strings.Contains(text, "too large") {
		t.Errorf("a large query's answer: %d %.100q", response.StatusCode, text)
	}
}

// Many clients of every kind at once, for the race detector, while the dashboard changes.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Refresh = 100 * time.Millisecond })
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			for j := range 10 {
				for _, target := range []string{solo, fmt.Sprintf("/public/build/%d.js", j), "/api/users", "/api/annotations", "/api/dashboards/uid/colors"} {
					if _, _, err := try(t, p, "GET", target, ""); err != nil {
						t.Error(err)
					}
				}
				if response, _, err := try(t, p, "POST", "/api/ds/query", body([]string{meanQuery, medianQuery}[(i+j)%2])); err != nil || response.StatusCode != 200 {
					t.Errorf("%v %v", response, err)
				}
				if i == 0 {
					g.set(func() { g.dashboard = dashboard(j, meanQuery) })
				}
				_ = p.State()
			}
		})
	}
	all.Wait()
}
