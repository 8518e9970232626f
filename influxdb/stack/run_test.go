package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"colorstream/generator/service"
)

func TestCommands(t *testing.T) {
	t.Parallel()
	call := func(args ...string) (string, error) {
		var out strings.Builder
		err := run(t.Context(), service.Process{
			Args: args, Environ: map[string]string{"STACK_DATA": t.TempDir(), "STACK_EXTERNAL": "kafka"}, Stdout: &out, Stderr: t.Output(),
		})
		return out.String(), err
	}
	if out, err := call("help"); err != nil || !strings.Contains(out, "STACK_DATA") {
		t.Errorf("help: %v\n%s", err, out)
	}
	if _, err := call("start"); err == nil || !strings.Contains(err.Error(), `"start"`) {
		t.Errorf("an unknown command: %v", err)
	}
	if _, err := call("run"); err == nil || !strings.Contains(err.Error(), `"kafka"`) {
		t.Errorf("a wrong variable: %v", err)
	}
}

func TestFindRoot(t *testing.T) {
	t.Parallel()
	want, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "../..", "../server"} {
		if got, err := findRoot(dir); err != nil || got != want {
			t.Errorf("from %s: %q, %v; want %q", dir, got, err, want)
		}
	}
	if got, err := findRoot(t.TempDir()); err == nil {
		t.Errorf("outside a checkout: %q", got)
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
	if got := grafanaHome(program); got != home {
		t.Errorf("an archive: %q", got)
	}
	prefix := t.TempDir()
	link := filepath.Join(t.TempDir(), "grafana")
	if err := os.Symlink(write(prefix, "bin", "grafana"), link); err != nil {
		t.Fatal(err)
	}
	write(prefix, "share", "grafana", "conf", "defaults.ini")
	if got := grafanaHome(link); got != filepath.Join(prefix, "share", "grafana") {
		t.Errorf("a package: %q", got)
	}

	s := &stack{config: config{GrafanaURL: "http://localhost:3100", GrafanaHome: home, Data: t.TempDir(), InfluxURL: "http://db"}, root: "/checkout"}
	s.process.Environ = map[string]string{"GF_LOG_LEVEL": "debug"}
	s.findGrafana()
	if !s.grafana.ours || s.grafana.listen != "127.0.0.1:3100" {
		t.Fatalf("got %+v", s.grafana)
	}
	p, err := s.grafanaPart()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"GF_SERVER_HTTP_PORT=3100", "GF_LOG_LEVEL=debug", "INFLUX_URL=http://db", "GF_PATHS_PROVISIONING=/checkout/grafana/provisioning"} {
		if !slices.Contains(p.spec.Env, want) {
			t.Errorf("%s is not set", want)
		}
	}
	s = &stack{config: config{GrafanaURL: "http://localhost:3100", GrafanaHome: t.TempDir()}}
	if s.findGrafana(); s.grafana.ours || s.grafana.note == "" {
		t.Errorf("an empty folder counts as Grafana: %+v", s.grafana)
	}
}
