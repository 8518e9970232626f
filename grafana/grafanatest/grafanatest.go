// Package grafanatest gives tests a real Grafana, started with this project's
// provisioning on a free port, and a headless Chromium to look at it with.
//
// No package registry has Grafana, so it is not fetched: the variable
// GRAFANA_HOME must name the folder of an installed one (with bin/grafana,
// conf and public in it). Tests are skipped otherwise, in CI too.
package grafanatest

import (
	"bytes"
	"cmp"
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
	Influx *influxtest.Server // may be nil
	Token  string             // in place of the file with the token that reads Influx's bucket

	Webhook string // ALERT_WEBHOOK_URL

	Plugins string // a folder with plugins
	Redis   string // REDIS_URL, for the live data source

	// Edit changes the folder provisioning, a copy, before Grafana starts.
	Edit func(dir string)
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

// Start runs Grafana until the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	home := os.Getenv("GRAFANA_HOME")
	if home == "" {
		t.Skip("this test wants a real Grafana: set GRAFANA_HOME to the folder of an installed one, with bin/grafana in it")
	}
	_, source, _, _ := runtime.Caller(0)
	root, dir := filepath.Dir(filepath.Dir(source)), t.TempDir()
	data, provisioning := filepath.Join(dir, "data"), filepath.Join(dir, "provisioning")
	plugins := cmp.Or(o.Plugins, filepath.Join(data, "plugins"))
	addr := process.FreeAddr()
	s := &Server{
		home: home, config: filepath.Join(root, "grafana.ini"), Dashboards: filepath.Join(dir, "dashboards"),
		URL: "http://" + addr,
	}
	_, port, _ := net.SplitHostPort(addr)
	err := errors.Join(os.MkdirAll(plugins, 0o755),
		os.CopyFS(s.Dashboards, os.DirFS(filepath.Join(root, "dashboards"))),
		os.CopyFS(provisioning, os.DirFS(filepath.Join(root, "provisioning"))))
	if err != nil {
		t.Fatalf("grafanatest: %v", err)
	}
	if o.Edit != nil {
		o.Edit(provisioning)
	}
	influx, token, webhookSet := o.Influx, o.Token, ""
	if influx == nil {
		influx = &influxtest.Server{URL: "http://127.0.0.1:1", Org: "none", Bucket: "none"}
	} else if token == "" {
		token = "$__file{" + filepath.Join(influx.TokenDir, "grafana") + "}"
	}
	if o.Webhook != "" {
		webhookSet = "yes"
	}
	s.environ = append(os.Environ(),
		"GF_PATHS_DATA="+data, "GF_PATHS_LOGS="+filepath.Join(data, "log"),
		"GF_PATHS_PLUGINS="+plugins, "GF_PATHS_PROVISIONING="+provisioning,
		"GRAFANA_DASHBOARDS="+s.Dashboards, "GF_LOG_LEVEL=info",
		"GF_SERVER_HTTP_ADDR=127.0.0.1", "GF_SERVER_HTTP_PORT="+port, "GF_SECURITY_ADMIN_PASSWORD="+AdminPassword,
		"INFLUX_URL="+influx.URL, "INFLUX_ORG="+influx.Org, "INFLUX_BUCKET="+influx.Bucket,
		// Metrics lie beside the colours here, if a test writes any: the token reads one bucket.
		"INFLUX_PIPELINE_BUCKET="+influx.Bucket, "INFLUX_TOKEN="+token,
		"REDIS_URL="+o.Redis,
		"WORKER_WINDOW=5s", "ALERT_WEBHOOK_URL="+o.Webhook, "ALERT_WEBHOOK_SET="+webhookSet,
		// A new Grafana takes a minute to look at who is told; alerts that fire sooner go to nobody's
		// e-mail.
		"GF_UNIFIED_ALERTING_ALERTMANAGER_CONFIG_POLL_INTERVAL=10s")
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

// Get reads a path as an anonymous visitor. The answer may be nil.
func (s *Server) Get(path string, answer any) (int, error) {
	return s.call(http.MethodGet, path, false, nil, answer)
}

// GetAdmin is [Server.Get] as the administrator.
func (s *Server) GetAdmin(path string, answer any) (int, error) {
	return s.call(http.MethodGet, path, true, nil, answer)
}

// Post sends JSON, as the administrator if admin is true.
func (s *Server) Post(path string, admin bool, body, answer any) (int, error) {
	return s.call(http.MethodPost, path, admin, body, answer)
}

// Save stores a dashboard's JSON as the administrator's browser does. The older address makes Grafana
// forget that the dashboard has a file, and soon read it again.
func (s *Server) Save(uid, model string) error {
	path := "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/" + uid
	var body map[string]any
	if status, err := s.GetAdmin(path, &body); status != http.StatusOK || err != nil {
		return fmt.Errorf("read dashboard %s: %d %w", uid, status, err)
	}
	body["spec"] = json.RawMessage(model)
	status, err := s.call(http.MethodPut, path, true, body, nil)
	if status != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("save dashboard %s: status %d", uid, status))
	}
	return err
}

func (s *Server) call(method, path string, admin bool, body, answer any) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var content io.Reader = http.NoBody
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, content)
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
