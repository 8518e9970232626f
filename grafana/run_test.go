package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colorstream/generator/service"
	"colorstream/influxdb/influxd"
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
	err := run(t.Context(), service.Process{Args: args, Environ: environ, Stdout: &out, Stderr: t.Output()})
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
	if err != nil || !strings.Contains(said, "are in order; 71 queries return what they should") {
		t.Errorf("said %q, %v", said, err)
	}

	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS("lint/testdata")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(root, "broken"), filepath.Join(root, "dashboards")); err != nil {
		t.Fatal(err)
	}
	said, err = command(t, map[string]string{"GRAFANA_DIR": root}, "lint")
	if err == nil || !strings.Contains(err.Error(), "problems in dashboards") {
		t.Errorf("error %v", err)
	}
	for _, want := range []string{"json.empty.json: the file is empty", `macro.unknown.json: panel 1 "Mean": InfluxDB refuses the query: error`} {
		if !strings.Contains(said, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// Without an InfluxDB the files are checked all the same, and it says what was
// left out.
func TestLintWithoutInfluxDB(t *testing.T) {
	t.Parallel()
	said, err := command(t, map[string]string{"XDG_CACHE_HOME": t.TempDir(), "INFLUXD": ""}, "lint")
	if err != nil || !strings.Contains(said, "their queries were not run") {
		t.Errorf("said %q, %v", said, err)
	}
}

func TestWrongUse(t *testing.T) {
	t.Parallel()
	said, err := command(t, nil, "help")
	if err != nil || !strings.Contains(said, "GRAFANA_URL") {
		t.Errorf("help says %q, %v", said, err)
	}
	_, err = command(t, nil, "push")
	if exit, ok := errors.AsType[*service.ExitError](err); !ok || exit.Status != 2 {
		t.Errorf("an unknown command: %v", err)
	}
	if _, err = command(t, map[string]string{"GRAFANA_DIR": "docs"}, "lint"); err == nil || !strings.Contains(err.Error(), "GRAFANA_DIR") {
		t.Errorf("a wrong folder: %v", err)
	}
}
