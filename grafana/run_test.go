package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"colorstream/generator/service"
	"colorstream/grafana/lint"
	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxd"
	"colorstream/influxdb/influxtest"
)

func command(t *testing.T, environ map[string]string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	if environ == nil {
		environ = map[string]string{}
	}
	for _, name := range []string{"HOME", "XDG_CACHE_HOME", "INFLUXD"} {
		if _, ok := environ[name]; !ok {
			environ[name] = os.Getenv(name)
		}
	}
	err := run(t.Context(), service.Process{
		Args: args, Environ: environ, Stdout: &out,
		Stderr: t.Output(),
	})
	return out.String(), err
}

func TestLintCommand(t *testing.T) {
	t.Parallel()
	if _, err := influxd.Find(os.Getenv); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("this test wants a real InfluxDB, and %v: run `make influxd` once", err)
	}
	said, err := command(t, nil, "lint")
	if err != nil || !strings.Contains(said, "are in order; their ") {
		t.Errorf("said %q, %v", said, err)
	}
}

// Without an InfluxDB the files are checked all the same, and it says what was left out.
func TestLintWithoutInfluxDB(t *testing.T) {
	t.Parallel()
	none := map[string]string{"XDG_CACHE_HOME": t.TempDir(), "INFLUXD": ""}
	said, err := command(t, none, "lint")
	if err != nil || !strings.Contains(said, "their queries were not run") {
		t.Errorf("said %q, %v", said, err)
	}

	none["GRAFANA_DIR"] = t.TempDir()
	path := filepath.Join(none["GRAFANA_DIR"], "dashboards", "empty.json")
	if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	said, err = command(t, none, "lint")
	if err == nil || !strings.Contains(err.Error(), "1 problem in dashboards") ||
		!strings.HasPrefix(said, "empty.json: the file is empty") {
		t.Errorf("said %q, %v", said, err)
	}
}

// What people add must run and return something, in order, with the columns that its panel draws.
func TestWrongQueriesAreFound(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	metrics := influxtest.Shared(t).NewBucket(t)
	client := flux.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}
	const read = `from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop) ` +
		`|> filter(fn: (r) => r._field == "count")`
	set := new(lint.Set)
	wants := []struct{ flux, want string }{
		{read + ` |> keep(columns: ["_time", "_value", "color"])`, ""},
		{read + ` |> count()`, "needs the columns _time and _value"},
		{strings.Replace(read, "count", "amount", 1), "finds nothing"},
		{read + ` |> keep(colums: [])`, "InfluxDB rejects the query"},
		{read + ` |> sort(columns: ["_time"], desc: true)`, "not in order of time"},
		{read + ` |> filter(fn: (r) => r.color == "$shade")`, `no variable "shade"`},
	}
	for i, w := range wants {
		d, err := lint.Parse(fmt.Appendf(nil, `{"uid": "x", "panels": [{"id": 1, "type": "timeseries",
			"targets": [{"datasource": {"uid": %q}, "query": %q}]}]}`, lint.DataSource, w.flux))
		if err != nil {
			t.Fatal(err)
		}
		set.Dashboards = append(set.Dashboards, lint.File{Name: strconv.Itoa(i), Dashboard: d})
	}
	problems, err := checkQueries(t.Context(), client, db.Bucket, metrics.Bucket, set)
	if err != nil {
		t.Fatal(err)
	}
	found := make([]string, len(wants))
	for _, p := range problems {
		i, _ := strconv.Atoi(p.File)
		found[i] += p.Text
	}
	for i, w := range wants {
		if w.want == "" && found[i] != "" || !strings.Contains(found[i], w.want) {
			t.Errorf("%s: found %q, want %q", w.flux, found[i], w.want)
		}
	}
}

func TestWrongFolder(t *testing.T) {
	t.Parallel()
	_, err := command(t, map[string]string{"GRAFANA_DIR": "docs"}, "lint")
	if err == nil || !strings.Contains(err.Error(), "GRAFANA_DIR") {
		t.Errorf("a wrong folder: %v", err)
	}
}
