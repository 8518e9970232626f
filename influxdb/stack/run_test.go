package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"colorstream/generator/service"
)

func TestWrongVariables(t *testing.T) {
	t.Parallel()
	err := run(t.Context(), service.Process{
		Stdout: t.Output(), Stderr: t.Output(), Environ: map[string]string{
			"STACK_DATA": t.TempDir(), "STACK_EXTERNAL": "kafka", "WORKERS": "0",
		},
	})
	if err == nil || !strings.Contains(err.Error(), `"kafka"`) ||
		!strings.Contains(err.Error(), "WORKERS") {
		t.Errorf("got %v", err)
	}
}

func TestGrafanaIsFound(t *testing.T) {
	t.Parallel()
	write := func(path ...string) string {
		name := filepath.Join(path...)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o755); err != nil {
			t.Fatal(err)
		}
		return name
	}
	// An unpacked archive, and the layout of packages with a link on the PATH.
	home := t.TempDir()
	program := write(home, "bin", "grafana")
	write(home, "conf", "defaults.ini")
	if got, err := grafanaHome(program, ""); got != home {
		t.Errorf("an archive: %q, %v", got, err)
	}
	prefix := t.TempDir()
	link := filepath.Join(t.TempDir(), "grafana")
	if err := os.Symlink(write(prefix, "bin", "grafana"), link); err != nil {
		t.Fatal(err)
	}
	write(prefix, "share", "grafana", "conf", "defaults.ini")
	if got, err := grafanaHome(link, ""); got != filepath.Join(prefix, "share", "grafana") {
		t.Errorf("a package: %q, %v", got, err)
	}

	s, sc := testStack(t)
	s.GrafanaURL, s.GrafanaHome = "http://localhost:3100", home
	s.findGrafana()
	if s.grafana.listen != "127.0.0.1:3100" {
		t.Fatalf("got %+v", s.grafana)
	}
	s.GrafanaHome = t.TempDir()
	s.findGrafana()
	for _, want := range []string{
		"GRAFANA_HOME=" + s.GrafanaHome,
		filepath.Join(s.GrafanaHome, "bin", "grafana"),
	} {
		if s.grafana.listen != "" || !strings.Contains(s.grafana.note, want) ||
			!strings.Contains(sc.String(), want) {
			t.Errorf("an empty folder: %+v, %s", s.grafana, sc)
		}
	}
}

// What Grafana is started with: a stand-in prints its variables.
func TestGrafanaIsTold(t *testing.T) {
	t.Parallel()
	s, _ := testStack(t)
	s.grafana.path = filepath.Join(t.TempDir(), "grafana")
	if err := os.WriteFile(s.grafana.path, []byte("#!/bin/sh\nenv\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s.bin, s.grafana.listen, s.Influx.URL = t.TempDir(), "127.0.0.1:3100", "http://db"
	told := func() string {
		t.Helper()
		if err := s.startGrafana(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.grafana.process.Err(); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(s.Data, "log", "grafana.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	s.Influx.CA = "/ca.pem"
	got := told()
	for _, want := range []string{
		"GF_SERVER_HTTP_PORT=3100", "INFLUX_URL=http://db",
		"GF_PATHS_PROVISIONING=" + s.root + "/grafana/provisioning",
		"INFLUX_CA=$__file{/ca.pem}", "INFLUX_CERT=", "ALERT_WEBHOOK_URL=", "ALERT_WEBHOOK_SET=",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("%s is not set", want)
		}
	}
	s.environ["ALERT_WEBHOOK_URL"] = "http://hook"
	if got := told(); !strings.Contains(got, "ALERT_WEBHOOK_SET=yes\n") {
		t.Error("Grafana is not told that there is a webhook")
	}
}
