// Package influxtest gives tests a real InfluxDB 2.
//
//	func TestMain(m *testing.M) { influxtest.Main(m) }
//
//	func TestWrite(t *testing.T) {
//		db := influxtest.Shared(t).NewBucket(t)
//		db.Write(t, "color_metrics,color=red mean=1 1760000000000000000")
//		rows := db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: 0)`)
//
// [Shared] is one server for all tests of a package, which keep apart by having a bucket each, and
// must not stop it. A test that does takes a server of its own with [Start]; that costs about half
// a second.
//
// Where no influxd was built, tests are skipped, or fail if CI=true. The package needs a Unix
// system.
package influxtest

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/generator/process"
	"colorstream/influxdb/access"
	"colorstream/influxdb/influxd"
	"colorstream/influxdb/setup"
)

// What every server starts with.
const (
	User     = "admin"
	Password = "adminpassword"
)

const setupTimeout = 30 * time.Second

// Server is a running InfluxDB, seen through one of its buckets.
type Server struct {
	URL        string
	Org        string
	Bucket     string
	AdminToken string // permits everything

	// Each permits what the program of that name does with Bucket: to write, to read, to read.
	// TokenDir has them as files: worker, dashboard, grafana.
	WorkerToken    string
	DashboardToken string
	GrafanaToken   string
	TokenDir       string

	*instance
}

// instance is the process behind one or more Servers.
type instance struct {
	config  influxd.Config
	process *process.Process // nil when stopped
}

// Start runs a server that belongs to the test alone.
func Start(t testing.TB) *Server {
	t.Helper()
	s := StartEmpty(t)
	if err := s.setUp(t.TempDir()); err != nil {
		t.Fatalf("influxtest: set the server up: %v", err)
	}
	return s
}

// StartEmpty is [Start] without organisation, bucket and tokens: what someone has who installed
// InfluxDB a moment ago.
func StartEmpty(t testing.TB) *Server {
	t.Helper()
	s, err := start(binary(t), t.TempDir())
	if err != nil {
		t.Fatalf("influxtest: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() && s.process != nil {
			t.Logf("influxd printed:\n%s", strings.Join(s.process.Tail(), "\n"))
		}
		s.Stop(t)
	})
	return s
}

// binary finds influxd or ends the test.
func binary(t testing.TB) string {
	t.Helper()
	path, err := influxd.Find(os.Getenv)
	switch {
	case errors.Is(err, influxd.ErrNotBuilt) && os.Getenv("CI") != "true":
		t.Skipf("this test wants a real InfluxDB, and %v: run `make influxd` once", err)
	case err != nil:
		t.Fatalf("influxtest: %v: run `make influxd`", err)
	}
	return path
}

func start(binary, dir string) (*Server, error) {
	in := &instance{config: influxd.Config{Binary: binary, Dir: filepath.Join(dir, "influxdb")}}
	for {
		in.config.Addr = process.FreeAddr()
		err := in.start()
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EADDRINUSE) { // another test took the port before influxd did
			return nil, err
		}
	}
	return &Server{
		URL: "http://" + in.config.Addr, Org: "colors", Bucket: "color_data",
		AdminToken: "the-test-admin-token", instance: in,
	}, nil
}

// setUp makes the bucket and its three tokens, with files in tokenDir.
func (s *Server) setUp(tokenDir string) error {
	admin := setup.Admin{User: User, Password: Password, Token: s.AdminToken}
	bucket := []string{s.Bucket}
	err := setup.Apply(context.Background(), slog.New(slog.DiscardHandler),
		access.Config{URL: s.URL}, setupTimeout, admin, setup.Plan{
			Org:     s.Org,
			Buckets: []setup.Bucket{{Name: s.Bucket}},
			Tokens: []setup.Token{
				{Name: "worker", Write: bucket},
				{Name: "dashboard", Read: bucket},
				{Name: "grafana", Read: bucket},
			},
			Folder: setup.Folder{Path: tokenDir},
		})
	s.TokenDir = tokenDir
	read := func(name string) string {
		text, readErr := os.ReadFile(filepath.Join(tokenDir, name))
		err = errors.Join(err, readErr)
		return strings.TrimSpace(string(text))
	}
	s.WorkerToken, s.DashboardToken = read("worker"), read("dashboard")
	s.GrafanaToken = read("grafana")
	return err
}

// Stop ends the server as an outage would, politely; Restart brings it back at the same address
// with the same data.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if err := s.stop(); err != nil {
		t.Errorf("influxtest: stop: %v", err)
	}
}

// Restart stops the server, if it runs, and starts it again.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := s.start(); err != nil {
		t.Fatalf("influxtest: restart: %v", err)
	}
}

func (in *instance) start() (err error) {
	in.process, err = influxd.Start(context.Background(), in.config)
	return err
}

func (in *instance) stop() error {
	p := in.process
	if p == nil {
		return nil
	}
	in.process = nil
	return p.Stop(influxd.StopTimeout)
}
