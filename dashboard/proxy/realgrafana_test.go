package proxy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/grafanatest"
	"colorstream/influxdb/influxtest"
)

// startGrafana starts Grafana with the dashboard "colors" of four panels and a quarter of an hour of
// data.
func startGrafana(t *testing.T) *grafanatest.Server {
	t.Helper()
	db := influxtest.Start(t)
	writeColours(t, db)
	return grafanatest.Start(t, grafanatest.Options{Influx: db, Edit: func(dir string) {
		save(t, filepath.Join(filepath.Dir(dir), "dashboards"), "", "")
	}})
}

// save writes the dashboard's file. title and query are appended to each panel's.
func save(t *testing.T, folder, title, query string) {
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
	file := filepath.Join(folder, "colors.json")
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
