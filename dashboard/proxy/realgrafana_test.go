package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
)

// A realGrafana is a Grafana that a test started: GRAFANA_HOME names the folder that holds
// bin/grafana, conf and public.
type realGrafana struct {
	URL        string
	dashboards string // the folder of its dashboards' files
	db         *influxtest.Server
}

// startGrafana starts Grafana on an InfluxDB of its own, with the dashboard "colors" of four panels
// and a quarter of an hour of data.
func startGrafana(t *testing.T) *realGrafana {
	t.Helper()
	home := os.Getenv("GRAFANA_HOME")
	if home == "" {
		t.Skip("this test wants a real Grafana 9.4 or newer: set GRAFANA_HOME to the folder that holds bin/grafana, conf and public")
	}
	db := influxtest.Start(t)
	writeColours(t, db)
	dir := t.TempDir()
	g := &realGrafana{dashboards: filepath.Join(dir, "dashboards"), db: db}
	if err := os.Mkdir(g.dashboards, 0o755); err != nil {
		t.Fatal(err)
	}
	g.save(t, "", "")
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	g.URL = "http://127.0.0.1:" + port
	command := exec.Command(filepath.Join(home, "bin", "grafana"), "server", "--homepath", home,
		"--config", filepath.Join(here, "../../grafana/grafana.ini"))
	command.Env = append(os.Environ(),
		"GF_SERVER_HTTP_ADDR=127.0.0.1", "GF_SERVER_HTTP_PORT="+port, "GF_PATHS_DATA="+dir, "GF_PATHS_LOGS="+filepath.Join(dir, "log"),
		"GF_PATHS_PLUGINS="+filepath.Join(dir, "plugins"),
		"GF_PATHS_PROVISIONING="+filepath.Join(here, "testdata/grafana"),
		"GF_DASHBOARDS_MIN_REFRESH_INTERVAL=1s", "GRAFANA_DASHBOARDS="+g.dashboards,
		"INFLUX_URL="+db.URL, "INFLUX_BUCKET="+db.Bucket, "INFLUX_TOKEN="+db.GrafanaToken,
	)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	if err := command.Start(); err != nil {
		t.Fatalf("start Grafana: %v", err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
		defer kill.Stop()
		_ = command.Wait()
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		if response, err := http.Get(g.URL + "/api/dashboards/uid/colors"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return g
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("Grafana did not show the dashboard within a minute")
		}
	}
}

// save writes the dashboard's file. title and query are appended to each panel's.
func (g *realGrafana) save(t *testing.T, title, query string) {
	t.Helper()
	type m = map[string]any
	ref := m{"type": "influxdb", "uid": "colorstream-influxdb"}
	var panels []m
	for i, statistic := range []string{"mean", "median", "min", "max"} {
		panels = append(panels, m{
			"id": i + 1, "type": "timeseries", "title": statistic + title, "datasource": ref,
			"gridPos":     m{"h": 8, "w": 12, "x": 0, "y": 8 * i},
			"fieldConfig": m{"defaults": m{"custom": m{"lineWidth": 3}}, "overrides": []m{}},
			"targets": []m{{"refId": "A", "datasource": ref, "query": fmt.Sprintf(`from(bucket: v.defaultBucket)
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "color_metrics" and r._field == %q)
  |> aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)
  |> keep(columns: ["_time", "_value", "color"])%s`, statistic, query)}},
		})
	}
	data, err := json.Marshal(m{"uid": "colors", "title": "Colours", "schemaVersion": 37, "refresh": "5s", "time": m{"from": "now-15m", "to": "now"}, "panels": panels})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(g.dashboards, "colors.json")
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

func writeColours(t *testing.T, db *influxtest.Server) {
	t.Helper()
	var lines strings.Builder
	end := time.Now().Truncate(5 * time.Second).Add(time.Minute) // the test takes a while, too
	for at := end.Add(-16 * time.Minute); at.Before(end); at = at.Add(5 * time.Second) {
		for i, colour := range []string{"red", "blue", "green", "yellow"} {
			value := float64(20*i) + float64(at.Unix()/5%10)
			fmt.Fprintf(&lines, "color_metrics,color=%s mean=%f,median=%f,min=%f,max=%f,count=5i,complete=true %d\n",
				colour, value, value, value, value, at.UnixNano())
		}
	}
	db.Write(t, lines.String())
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
