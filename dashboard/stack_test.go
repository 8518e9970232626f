package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colorstream/generator/service"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		service.Main(run)
		return
	}
	influxtest.Main(m)
}

// width is the windows' in most tests here: short, so that they are quick.
const width = time.Second

// noGrafana is for newStack: Grafana is away from the beginning.
const noGrafana = "TEST_GRAFANA=away"

// A stack is the page with a real InfluxDB and something that stands in for Grafana.
type stack struct {
	URL     string
	db      *influxtest.Server
	grafana *standIn
}

// newStack runs the program as its main does. More variables may be given as NAME=value.
func newStack(t testing.TB, db *influxtest.Server, variables ...string) *stack {
	t.Helper()
	s := &stack{db: db, grafana: newStandIn(t)}
	s.grafana.away.Store(slices.Contains(variables, noGrafana))
	address := freeAddress(t)
	s.URL = "http://" + address
	environ := service.Environ(append([]string{
		"INFLUX_URL=" + db.URL, "INFLUX_ORG=" + db.Org, "INFLUX_BUCKET=" + db.Bucket, "INFLUX_TOKEN=" + db.DashboardToken,
		"GRAFANA_URL=" + s.grafana.URL, "GRAFANA_PUBLIC_URL=http://grafana.example", "DASHBOARD_ADDR=" + address,
		"WORKER_WINDOW=" + width.String(), "DASHBOARD_REFRESH=1s", "DASHBOARD_STALE=10s",
	}, variables...))
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := run(ctx, service.Process{Environ: environ, Stdout: io.Discard, Stderr: t.Output()}); err != nil {
			t.Errorf("the program ended: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	s.await(t, "the page answers", func() bool {
		response, err := http.Get(s.URL + "/healthz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return s
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// await fails the test if something does not come true within a quarter of a minute.
func (s *stack) await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

// awaitGrafana waits until the page knows that Grafana is there.
func (s *stack) awaitGrafana(t testing.TB) {
	t.Helper()
	s.await(t, "the page knows Grafana's panels", func() bool {
		_, body := s.get(t, "/rows")
		return strings.Contains(body, `"panels":[1`)
	})
}

// point is a window that ended n windows ago.
func point(color string, ago int, mean float64) series.Point {
	start := time.Now().Truncate(width).Add(-time.Duration(ago+1) * width)
	return series.Point{
		Color: color, Start: start.UTC(), Statistics: series.DefaultStatistics(),
		Values: []float64{mean, mean, mean - 1, mean + 1}, Sum: 3 * mean, Count: 3, Complete: true,
	}
}

func (s *stack) write(t testing.TB, points ...series.Point) {
	t.Helper()
	var lines []byte
	for _, p := range points {
		lines = append(p.AppendLine(lines), '\n')
	}
	s.db.Write(t, string(lines))
}

// get returns a path's status, content type and body.
func (s *stack) get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	response, err := http.Get(s.URL + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// A standIn looks to the page like a Grafana with the dashboard.
type standIn struct {
	*httptest.Server
	away     atomic.Bool
	revision atomic.Int64
}

// panelHTML draws what a panel is recognised by, and says which it is.
const panelHTML = `<!doctype html><base href="/"><title>panel</title><script type="application/json">{"appSubUrl":""}</script><div id="reactRoot"><canvas width="100" height="50"></canvas><p id="which">%s</p></div>`

func newStandIn(t testing.TB) *standIn {
	g := new(standIn)
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case g.away.Load():
			http.Error(w, "away", http.StatusServiceUnavailable)
		case r.URL.Path == "/api/dashboards/uid/colors":
			var panels []map[string]any
			for id := range 4 {
				panels = append(panels, map[string]any{
					"id": id + 1, "type": "timeseries", "datasource": map[string]string{"type": "influxdb", "uid": "colorstream-influxdb"},
					"targets": []map[string]string{{"refId": "A", "query": "from(bucket: \"x\")"}},
				})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"dashboard": map[string]any{
				"uid": "colors", "version": g.revision.Load(), "schemaVersion": 37, "panels": panels,
			}})
		case strings.HasPrefix(r.URL.Path, "/d-solo/colors"):
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			q := r.URL.Query()
			fmt.Fprintf(w, panelHTML, strings.Join([]string{q.Get("panelId"), q.Get("from"), q.Get("refresh"), q.Get("theme")}, " "))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(g.Close)
	return g
}
