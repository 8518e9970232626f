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
	"colorstream/generator/service/servicetest"
)

// streamed is a path whose answer comes down as it comes, unlike the panel's document.
const streamed = "/api/dashboards/uid/colors/public-dashboards"

// decisions reads a page's metric.
func decisions(t testing.TB, p *page, decision string) float64 {
	t.Helper()
	families, err := p.registry.Gather()
	if err != nil || len(families) != 1 {
		t.Fatalf("the page's metrics are %v, %v", families, err)
	}
	for _, metric := range families[0].GetMetric() {
		if metric.GetLabel()[0].GetValue() == decision {
			return metric.GetCounter().GetValue()
		}
	}
	t.Fatalf("no metric for decision %s", decision)
	return 0
}

// dial opens a connection to a page that ends with the test.
func dial(t *testing.T, p *page) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", p.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// The times that a request may take do not bound what comes after it on the connection.
func TestDeadlinesEndWithTheirRequest(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(300 * time.Millisecond) // longer than the body may take
		_, _ = io.WriteString(w, "ok")
	}, func(cfg *proxy.Config) {
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
	conn := dial(t, p)
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
	ended := make(chan struct{})
	_, p := start(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		for range 1000 {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	}, func(cfg *proxy.Config) { cfg.Limits().ResponseTime = 300 * time.Millisecond })
	if _, err := io.WriteString(dial(t, p), request("GET", streamed)); err != nil {
		t.Fatal(err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("Grafana still sends after 10 s")
	}
	// The proxy has ended too, though its client still does not read.
	servicetest.Eventually(t, "the request is counted", func() bool {
		return decisions(t, p, "failed") == 1
	})
}

// everyWay asks for an asset, data and a document.
func everyWay(check func(method, path, sent string)) {
	check("GET", "/public/build/a.js", "")
	check("POST", "/api/ds/query", body(meanQuery))
	check("GET", solo, "")
}

func TestSlowGrafana(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		func(cfg *proxy.Config) { cfg.Limits().HeaderTime = 100 * time.Millisecond })
	everyWay(func(method, path, sent string) {
		if response, message := fetch(t, p, method, path, sent); response.StatusCode != 504 || !strings.Contains(message, "in time") {
			t.Errorf("%s: answer %d %q", path, response.StatusCode, message)
		}
	})
}

// More requests than may run wait for their turn; those whose turn does not come are told to come
// back.
func TestRequestsQueue(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	free := sync.OnceFunc(func() { close(release) })
	defer free()
	var running, most atomic.Int32
	_, p := start(t, func(w http.ResponseWriter, _ *http.Request) {
		if n := running.Add(1); n > most.Load() {
			most.Store(n)
		}
		<-release
		running.Add(-1)
		_, _ = io.WriteString(w, "ok")
	}, func(cfg *proxy.Config) {
		l := cfg.Limits()
		cfg.TrustProxy, l.Slots, l.QueueTime = true, 3, 100*time.Millisecond
	})
	statuses := make(chan int, 12)
	var all sync.WaitGroup
	for i := range 4 { // twelve readers
		everyWay(func(method, path, sent string) {
			all.Go(func() {
				response, _, err := try(t, p, method, path, sent,
					fmt.Sprintf("X-Forwarded-For: 10.%d.0.%d", len(path), i))
				if err != nil {
					t.Error(err)
					return
				}
				statuses <- response.StatusCode
				if response.StatusCode == 503 && response.Header.Get("Retry-After") != "1" {
					t.Errorf("Retry-After %q", response.Header.Get("Retry-After"))
				}
			})
		})
	}
	servicetest.Eventually(t, "the others are told to come back", func() bool {
		return decisions(t, p, "busy") == 9
	})
	free()
	all.Wait()
	close(statuses)
	count := make(map[int]int)
	for status := range statuses {
		count[status]++
	}
	if count[200] != 3 || count[503] != 9 || most.Load() != 3 {
		t.Errorf("answers %v, at most %d at a time; want 3 of 200, and at a time", count, most.Load())
	}
}

// Ten greedy readers, each with more queries and assets than it may have, none of which ends, leave
// an eleventh's panel (document, assets, dashboard and data) what it needs.
func TestGreedyReadersLeaveAPanel(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	_, p := start(t, func(w http.ResponseWriter, r *http.Request) {
		sent, err := io.ReadAll(r.Body)
		if err != nil || strings.Contains(string(sent), "mean") || r.URL.Path == "/public/build/slow.js" {
			<-release
		}
		_, _ = io.WriteString(w, "{}")
	}, func(cfg *proxy.Config) { cfg.TrustProxy, cfg.Limits().QueueTime = true, time.Second })
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
	servicetest.Eventually(t, "they have all that they may have", func() bool {
		return decisions(t, p, "busy") > 0
	})
	want := func(method, path, sent string) {
		if response, text := fetch(t, p, method, path, sent, "X-Forwarded-For: 10.0.1.1"); response.StatusCode != http.StatusOK {
			t.Errorf("%s: the eleventh reader gets %d %s", path, response.StatusCode, text)
		}
	}
	for _, path := range []string{
		solo, "/public/build/a.js", "/public/build/b.js",
		"/api/dashboards/uid/colors",
	} {
		want("GET", path, "")
	}
	want("POST", "/api/ds/query", body(medianQuery))
}

// An answer that breaks off is not taken for a whole one.
func TestGrafanaDiesInTheMiddle(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, nil)
	failed := 0.0
	everyWay(func(method, path, sent string) {
		response, text, err := try(t, p, method, path, sent)
		if path == solo && (err != nil || response.StatusCode != 502 || strings.Contains(text, "half")) {
			t.Errorf("half a document: %v %q, %v", response, text, err)
		}
		if path != solo && err == nil {
			t.Errorf("%s: an answer that broke off ends like a whole one", path)
		}
		failed++
		servicetest.Eventually(t, "the failure is counted", func() bool {
			return decisions(t, p, "failed") == failed
		})
	})
}

func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == streamed {
			_ = http.NewResponseController(w).Flush() // no Content-Length
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 7500))
	}, func(cfg *proxy.Config) { cfg.Limits().ResponseBytes = 5000 })
	if response, _ := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 {
		t.Errorf("answer %d, want 502", response.StatusCode)
	}
	if _, text, err := try(t, p, "GET", streamed, ""); err == nil || len(text) > 5000 {
		t.Errorf("%d bytes came, error %v", len(text), err)
	}
}

// When everything is over, no goroutine is left. Not parallel: others' goroutines count, too.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	g, p := start(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "slow") {
			<-r.Context().Done()
		}
		_, _ = io.WriteString(w, "x")
	}, nil)
	client := &http.Client{Timeout: 50 * time.Millisecond, Transport: p.Client().Transport}
	for i := range 20 {
		everyWay(func(method, path, sent string) { fetch(t, p, method, path, sent) })
		if response, err := client.Get(fmt.Sprintf("%s/public/build/slow%d.js", p.URL, i)); err == nil {
			response.Body.Close()
			t.Error("a slow answer came")
		}
	}
	p.stop() // ends the transfers that browsers left
	p.CloseClientConnections()
	p.Close()
	g.Close() // waits for them
	servicetest.Eventually(t, "all goroutines have ended", func() bool {
		return runtime.NumGoroutine() <= before
	})
}
