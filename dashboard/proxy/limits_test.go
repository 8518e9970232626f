package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colorstream/dashboard/proxy"
)

// streamed is a path whose answer comes down as it comes, unlike the panel's document.
const streamed = "/api/dashboards/uid/colors/public-dashboards"

// decisions reads a page's metric.
func decisions(t testing.TB, p *page, decision string) float64 {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "colorstream_page_proxy_requests_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == decision {
				return metric.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no metric for decision %s", decision)
	return 0
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	p := newPage(t, newGrafana(t).URL, nil)
	fetch(t, p, "GET", solo, "")
	fetch(t, p, "GET", "/api/users", "")
	fetch(t, p, "GET", "/api/annotations", "")
	for decision, want := range map[string]float64{"pass": 1, "denied": 1, "local": 1, "failed": 0, "busy": 0, "gone": 0} {
		if got := decisions(t, p, decision); got != want {
			t.Errorf("decision %s: %v, want %v", decision, got, want)
		}
	}
}

func TestSlowBody(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().BodyTime = 100 * time.Millisecond })
	raw := query(body(meanQuery))
	if status := talk(t, p.Listener.Addr().String(), raw[:len(raw)-10]); status != 408 {
		t.Errorf("answer %d, want 408", status)
	}
	if seen, _ := g.record(); len(seen) != 0 {
		t.Errorf("Grafana was asked %q", seen)
	}
}

// The times that a request may take do not bound what comes after it on the connection.
func TestDeadlinesEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond) // longer than the body may take
		_, _ = io.WriteString(w, "ok")
	}
	p := newPage(t, g.URL, func(cfg *proxy.Config) {
		cfg.Limits().BodyTime, cfg.Limits().ResponseTime = 100*time.Millisecond, 2*time.Second
	})
	p.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/own" {
			p.ServeHTTP(w, r)
			return
		}
		time.Sleep(2100 * time.Millisecond) // longer than Grafana may take
		_, _ = io.WriteString(w, "ok")
	})
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	for _, raw := range []string{query(body(meanQuery)), request("GET", "/own")} {
		raw = strings.Replace(raw, "Connection: close\r\n", "", 1)
		if _, err := io.WriteString(conn, raw); err != nil {
			t.Fatal(err)
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			t.Fatalf("%.40q: %v", raw, err)
		}
		text, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != 200 || string(text) != "ok" {
			t.Errorf("%.40q: answer %d %q, %v", raw, response.StatusCode, text, err)
		}
		response.Body.Close()
	}
}

// Who does not read the answer does not keep Grafana busy for ever.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	ended := make(chan struct{})
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		for range 1000 {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().ResponseTime = 300 * time.Millisecond })
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, request("GET", streamed)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Grafana still sends after 10 s")
	}
	// The proxy has ended too, though its client still does not read.
	eventually(t, "the request is counted", func() bool { return decisions(t, p, "pass")+decisions(t, p, "failed")+decisions(t, p, "gone") == 1 })
}

func TestSlowGrafana(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	g.answer = func(http.ResponseWriter, *http.Request) { <-release }
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().HeaderTime = 100 * time.Millisecond })
	for _, c := range [][2]string{{"GET", solo}, {"GET", "/public/build/a.js"}, {"POST", "/api/ds/query"}} {
		text := ""
		if c[0] == "POST" {
			text = body(meanQuery)
		}
		if response, message := fetch(t, p, c[0], c[1], text); response.StatusCode != 504 || !strings.Contains(message, "in time") {
			t.Errorf("%v: answer %d %q", c, response.StatusCode, message)
		}
	}
}

// More queries, and more other requests, than may run wait for their turn; those whose turn does not
// come are told to come back.
func TestRequestsQueue(t *testing.T) {
	t.Parallel()
	for method, path := range map[string]string{"POST": "/api/ds/query", "GET": "/public/build/a.js"} {
		g := newGrafana(t)
		release := make(chan struct{})
		free := sync.OnceFunc(func() { close(release) })
		defer free()
		var running, most atomic.Int32
		g.answer = func(w http.ResponseWriter, _ *http.Request) {
			if n := running.Add(1); n > most.Load() {
				most.Store(n)
			}
			<-release
			running.Add(-1)
			_, _ = io.WriteString(w, "ok")
		}
		p := newPage(t, g.URL, func(cfg *proxy.Config) {
			l := cfg.Limits()
			cfg.TrustProxy, l.Queries, l.Fetches, l.QueueTime = true, 2, 3, 100*time.Millisecond
		})
		sent, slots := "", 3
		if method == "POST" {
			sent, slots = body(meanQuery), 2
		}
		statuses := make(chan int, 10)
		var all sync.WaitGroup
		for i := range 10 {
			all.Go(func() {
				who := fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i) // ten readers
				response, _, err := try(t, p, method, path, sent, who)
				if err != nil {
					t.Error(err)
					return
				}
				statuses <- response.StatusCode
				if response.StatusCode == 503 && response.Header.Get("Retry-After") != "1" {
					t.Errorf("Retry-After %q", response.Header.Get("Retry-After"))
				}
			})
		}
		eventually(t, "the others are told to come back", func() bool { return decisions(t, p, "busy") == float64(10-slots) })
		free()
		all.Wait()
		close(statuses)
		count := make(map[int]int)
		for status := range statuses {
			count[status]++
		}
		if count[200] != slots || count[503] != 10-slots || int(most.Load()) != slots {
			t.Errorf("%s: answers %v, at most %d at a time; want %d of 200, and at a time", method, count, most.Load(), slots)
		}
	}
}

// Ten greedy readers, each with more queries and assets than it may have, none of which ends, leave
// an eleventh's panel (document, assets, dashboard and data) what it needs.
func TestGreedyReadersLeaveAPanel(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	release := make(chan struct{})
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(sent), "mean") || r.URL.Path == "/public/build/slow.js" {
			<-release
		}
		_, _ = io.WriteString(w, "{}")
	}
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.TrustProxy = true })
	var all sync.WaitGroup
	defer all.Wait()
	defer close(release)
	for i := range 10 {
		who := fmt.Sprintf("X-Forwarded-For: 10.0.0.%d", i)
		for range 20 {
			all.Go(func() { _, _, _ = try(t, p, "POST", "/api/ds/query", body(meanQuery), who) })
			all.Go(func() { _, _, _ = try(t, p, "GET", "/public/build/slow.js", "", who) })
		}
	}
	eventually(t, "they have all that they may have", func() bool { return decisions(t, p, "busy") > 0 })
	const who = "X-Forwarded-For: 10.0.1.1"
	for _, path := range []string{solo, "/public/build/a.js", "/public/build/b.js", "/api/dashboards/uid/colors"} {
		if response, _ := fetch(t, p, "GET", path, "", who); response.StatusCode != http.StatusOK {
			t.Errorf("%s: the eleventh reader gets %d", path, response.StatusCode)
		}
	}
	if response, text := fetch(t, p, "POST", "/api/ds/query", body(medianQuery), who); response.StatusCode != http.StatusOK {
		t.Errorf("the eleventh reader's query: %d %s", response.StatusCode, text)
	}
}

// An answer that breaks off is not taken for a whole one.
func TestGrafanaDiesInTheMiddle(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	p := newPage(t, g.URL, nil)
	for i, target := range []string{streamed, "/public/build/a.js", "/api/ds/query"} {
		method, text := "GET", ""
		if target == "/api/ds/query" {
			method, text = "POST", body(meanQuery)
		}
		if _, _, err := try(t, p, method, target, text); err == nil {
			t.Errorf("%s: an answer that broke off ends like a whole one", target)
		}
		eventually(t, "the failure is counted", func() bool { return decisions(t, p, "failed") == float64(i+1) })
	}
	if response, text := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 || strings.Contains(text, "half") {
		t.Errorf("half a document: answer %d %q", response.StatusCode, text)
	}
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == streamed {
			_ = http.NewResponseController(w).Flush() // no Content-Length
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 7500))
	}
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().ResponseBytes = 5000 })
	if response, _ := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 {
		t.Errorf("answer %d, want 502", response.StatusCode)
	}
	if _, text, err := try(t, p, "GET", streamed, ""); err == nil || len(text) > 5000 {
		t.Errorf("%d bytes came, error %v", len(text), err)
	}
}

// Many clients of every kind at once, for the race detector, while the dashboard changes.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Limits().Refresh = 100 * time.Millisecond })
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
				p.Panels()
			}
		})
	}
	all.Wait()
}

// When everything is over, no goroutine is left. Not parallel: others' goroutines count, too.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "slow") {
			<-r.Context().Done()
		}
		_, _ = io.WriteString(w, "x")
	}
	p := newPage(t, g.URL, nil)
	client := &http.Client{Timeout: 50 * time.Millisecond, Transport: p.Client().Transport}
	for i := range 20 {
		fetch(t, p, "GET", solo, "")
		fetch(t, p, "POST", "/api/ds/query", body(medianQuery))
		if response, err := client.Get(fmt.Sprintf("%s/public/build/slow%d.js", p.URL, i)); err == nil {
			response.Body.Close()
			t.Error("a slow answer came")
		}
	}
	began := time.Now()
	p.stop() // ends the transfers that browsers left
	p.CloseClientConnections()
	p.Close()
	g.Close() // waits for them
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("the transfers ended after %v", took)
	}
	eventually(t, "all goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= before
	})
}
