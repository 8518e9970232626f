package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"

	"colorstream/generator/process"
	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

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

// newStack runs the program as its main does, on a bucket of its own. More variables may be given
// as NAME=value.
func newStack(t testing.TB, variables ...string) *stack {
	t.Helper()
	return newStackOn(t, influxtest.Shared(t).NewBucket(t), variables...)
}

// filled is a bucket with points in it.
func filled(t testing.TB, points []series.Point) *influxtest.Server {
	t.Helper()
	db := influxtest.Shared(t).NewBucket(t)
	(&stack{db: db}).write(t, points...)
	return db
}

func newStackOn(t testing.TB, db *influxtest.Server, variables ...string) *stack {
	t.Helper()
	address := process.FreeAddr()
	s := &stack{URL: "http://" + address, db: db, grafana: newStandIn(t)}
	s.grafana.away.Store(slices.Contains(variables, noGrafana))
	environ := env.ToMap(append([]string{
		"INFLUX_URL=" + db.URL, "INFLUX_ORG=" + db.Org, "INFLUX_BUCKET=" + db.Bucket,
		"INFLUX_TOKEN=" + db.DashboardToken,
		"GRAFANA_URL=" + s.grafana.URL, "GRAFANA_PUBLIC_URL=http://grafana.example",
		"DASHBOARD_ADDR=" + address,
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
	s.await(t, "/healthz", "ok")
	return s
}

// await waits until a path's answer has some text.
func (s *stack) await(t testing.TB, path, text string) {
	t.Helper()
	servicetest.Eventually(t, path+" says "+text, func() bool {
		_, body, err := s.try(path)
		return err == nil && strings.Contains(body, text)
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

// get returns a path's status and body.
func (s *stack) get(t testing.TB, path string) (status int, body string) {
	t.Helper()
	status, body, err := s.try(path)
	if err != nil {
		t.Fatal(err)
	}
	return status, body
}

func (s *stack) try(path string) (status int, body string, err error) {
	response, err := http.Get(s.URL + path)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
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
					"id": id + 1, "type": "timeseries",
					"datasource": map[string]string{"type": "influxdb", "uid": "colorstream-influxdb"},
					"targets":    []map[string]string{{"refId": "A", "query": "from(bucket: \"x\")"}},
				})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"dashboard": map[string]any{
				"uid": "colors", "version": g.revision.Load(), "schemaVersion": 37, "panels": panels,
			}})
		case strings.HasPrefix(r.URL.Path, "/d-solo/colors"):
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			q := r.URL.Query()
			fmt.Fprintf(w, panelHTML, strings.Join(
				[]string{q.Get("panelId"), q.Get("from"), q.Get("refresh"), q.Get("theme")}, " "))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(g.Close)
	return g
}
