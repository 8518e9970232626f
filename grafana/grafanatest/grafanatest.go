// Package grafanatest gives tests a real Grafana, started with this project's
// provisioning on a free port, and a headless Chromium to look at it with.
//
// No package registry has Grafana, so it is not fetched: the variable
// GRAFANA_HOME must name the folder of an installed one (with bin/grafana,
// conf and public in it). Tests are skipped otherwise, in CI too.
package grafanatest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/generator/process"
	"colorstream/generator/service/servicetest"
	"colorstream/influxdb/influxtest"
)

const (
	startTimeout = 90 * time.Second // the first start makes a database
	stopTimeout  = 20 * time.Second
	pollInterval = 100 * time.Millisecond

	// AdminPassword is that of the user admin.
	AdminPassword = "a-password-for-tests"
)

// Options says what a Grafana starts with.
type Options struct {
	Influx  *influxtest.Server // may be nil
	Environ []string           // variables besides those that are always set, or in their place
	Edit    func(dir string)   // changes the folder provisioning, a copy, before Grafana starts
}

// Server is a running Grafana.
type Server struct {
	URL        string
	Dashboards string // the folder it reads; a copy, so that tests may change it

	environ []string
	home    string
	config  string
	log     servicetest.Output
	process *process.Process
}

// Need skips the test if there is no Grafana, and gives the folder where it is.
func Need(t testing.TB) (home string) {
	t.Helper()
	if home = os.Getenv("GRAFANA_HOME"); home == "" {
		t.Skip("this test wants a real Grafana: set GRAFANA_HOME to the folder of an installed one, with bin/grafana in it")
	}
	return home
}

// Start runs Grafana until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	home := Need(t)
	_, source, _, _ := runtime.Caller(0)
	root, dir := filepath.Dir(filepath.Dir(source)), t.TempDir()
	data, provisioning := filepath.Join(dir, "data"), filepath.Join(dir, "provisioning")
	addr := process.FreeAddr()
	s := &Server{
		home: home, config: filepath.Join(root, "grafana.ini"),
		Dashboards: filepath.Join(dir, "dashboards"),
		URL:        "http://" + addr,
	}
	_, port, _ := net.SplitHostPort(addr)
	err := errors.Join(os.MkdirAll(filepath.Join(data, "plugins"), 0o755),
		os.CopyFS(s.Dashboards, os.DirFS(filepath.Join(root, "dashboards"))),
		os.CopyFS(provisioning, os.DirFS(filepath.Join(root, "provisioning"))))
	if err != nil {
		t.Fatalf("grafanatest: %v", err)
	}
	if o.Edit != nil {
		o.Edit(provisioning)
	}
	influx, token := o.Influx, ""
	if influx == nil {
		influx = &influxtest.Server{URL: "http://127.0.0.1:1", Org: "none", Bucket: "none"}
	} else {
		token = "$__file{" + filepath.Join(influx.TokenDir, "grafana") + "}"
	}
	s.environ = slices.Concat(os.Environ(), []string{
		"GF_PATHS_DATA=" + data, "GF_PATHS_LOGS=" + filepath.Join(data, "log"),
		"GF_PATHS_PLUGINS=" + filepath.Join(data, "plugins"),
		"GF_PATHS_PROVISIONING=" + provisioning,
		"GRAFANA_DASHBOARDS=" + s.Dashboards, "GF_LOG_LEVEL=info",
		"GF_SERVER_HTTP_ADDR=127.0.0.1", "GF_SERVER_HTTP_PORT=" + port,
		"GF_SECURITY_ADMIN_PASSWORD=" + AdminPassword,
		"INFLUX_URL=" + influx.URL, "INFLUX_ORG=" + influx.Org, "INFLUX_BUCKET=" + influx.Bucket,
		// Metrics lie beside the colours here, if a test writes any: the token reads one bucket.
		"INFLUX_PIPELINE_BUCKET=" + influx.Bucket, "INFLUX_TOKEN=" + token,
		"REDIS_URL=", "WORKER_WINDOW=5s", "ALERT_WEBHOOK_URL=", "ALERT_WEBHOOK_SET=",
		// A new Grafana takes a minute to look at who is told; alerts that fire sooner go to nobody's
		// e-mail.
		"GF_UNIFIED_ALERTING_ALERTMANAGER_CONFIG_POLL_INTERVAL=10s",
	}, o.Environ)
	t.Cleanup(func() {
		s.stop(t)
		if t.Failed() {
			t.Logf("Grafana printed:\n%s", s.Warnings())
		}
	})
	s.start(t)
	return s
}

// Restart stops Grafana and starts it again with the same data.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.stop(t)
	s.start(t)
}

func (s *Server) start(t testing.TB) {
	t.Helper()
	cmd := exec.Command(filepath.Join(s.home, "bin", "grafana"),
		"server", "--homepath", s.home, "--config", s.config)
	cmd.Env, cmd.Stdout = s.environ, &s.log
	p, err := process.Start(cmd)
	if err != nil {
		t.Fatalf("grafanatest: GRAFANA_HOME=%s: %v", s.home, err)
	}
	s.process = p
	if err := p.WaitHTTP(context.Background(), startTimeout, s.URL+"/api/health", ""); err != nil {
		t.Fatalf("grafanatest: %v", err)
	}
}

func (s *Server) stop(t testing.TB) {
	if s.process == nil {
		return
	}
	if err := s.process.Stop(stopTimeout); err != nil {
		t.Errorf("grafanatest: %v", err)
	}
	s.process = nil
}

// Call sends a request with a JSON body, which may be nil, and reads the answer, which may be nil
// too: as the administrator, or as an anonymous visitor.
func (s *Server) Call(admin bool, method, path string, body, answer any) (status int, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	content, err := json.Marshal(body)
	if err != nil {
		return 0, err
	}
	if body == nil {
		content = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, bytes.NewReader(content))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if admin {
		req.SetBasicAuth("admin", AdminPassword)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && answer != nil {
		if err = json.Unmarshal(raw, answer); err != nil {
			err = fmt.Errorf("%s: %w: %.300s", path, err, raw)
		}
	}
	return resp.StatusCode, err
}

// Get reads a path as an anonymous visitor. The answer may be nil.
func (s *Server) Get(path string, answer any) (status int, err error) {
	return s.Call(false, http.MethodGet, path, nil, answer)
}

// Warnings returns what Grafana logged as a warning or an error.
func (s *Server) Warnings() string {
	var out []string
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "level=error") || strings.Contains(line, "level=warn") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// Eventually polls until ok says nil, and fails the test with its last words
// if that takes longer than limit.
func Eventually(t testing.TB, limit time.Duration, ok func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %v", limit, err)
		}
		time.Sleep(pollInterval)
	}
}
