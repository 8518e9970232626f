// Package influxtest gives tests a real InfluxDB 2.
//
//	func TestMain(m *testing.M) { influxtest.Main(m) }
//
//	func TestWrite(t *testing.T) {
//		db := influxtest.Shared(t).NewBucket(t)
//		db.Write(t, "color_metrics,color=red mean=1 1760000000000000000")
//		rows := db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: 0)`)
//
// [Shared] is one server for all tests of a package, which keep apart by having a bucket each. A
// test that stops the server takes one of its own with [Start]; that costs about half a second.
//
// Where no influxd was built, tests are skipped, or fail if CI=true. The
// package depends on the standard library only, and on a Unix system.
package influxtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/access"
	"colorstream/influxdb/influxd"
	"colorstream/influxdb/setup"
)

// What every server starts with.
const (
	Org           = "colors"
	DefaultBucket = "color_data"
	User          = "admin"
	Password      = "adminpassword"
	AdminToken    = "the-test-admin-token"
)

const setupTimeout = 30 * time.Second

// Server is a running InfluxDB, seen through one of its buckets.
type Server struct {
	URL        string
	Org        string
	Bucket     string
	AdminToken string // permits everything

	// Each permits what the program of that name does with Bucket: to write,
	// to read, to read. TokenDir has them as files: worker, dashboard, grafana.
	WorkerToken    string
	DashboardToken string
	GrafanaToken   string
	TokenDir       string

	*instance
}

// instance is the process behind one or more Servers.
type instance struct {
	config influxd.Config

	mu      sync.Mutex
	running *influxd.Server // nil when stopped
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

// StartEmpty is [Start] without organisation, bucket and tokens: what someone
// has who installed InfluxDB a moment ago.
func StartEmpty(t testing.TB) *Server {
	t.Helper()
	s, err := start(binary(t), t.TempDir())
	if err != nil {
		t.Fatalf("influxtest: %v", err)
	}
	t.Cleanup(func() {
		if t.Failed() && s.running != nil {
			t.Logf("influxd printed:\n%s", strings.Join(s.running.Tail(), "\n"))
		}
		if err := s.stop(); err != nil {
			t.Errorf("influxtest: %v", err)
		}
	})
	return s
}

// binary finds influxd or ends the test.
func binary(t testing.TB) string {
	t.Helper()
	path, err := influxd.Find(os.Getenv)
	switch {
	case err == nil:
		return path
	case errors.Is(err, influxd.ErrNotBuilt) && os.Getenv("CI") != "true":
		t.Skipf("this test wants a real InfluxDB, and %v: run `make influxd` once", err)
	default:
		t.Fatalf("influxtest: %v: run `make influxd`", err)
	}
	return ""
}

func start(binary, dir string) (*Server, error) {
	in := &instance{config: influxd.Config{Binary: binary, Dir: filepath.Join(dir, "influxdb")}}
	var err error
	for range 5 { // another test may take the port between the choice and the start
		if in.config.Addr, err = freeAddr(); err != nil {
			return nil, err
		}
		if err = in.start(); !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	return &Server{URL: "http://" + in.config.Addr, Org: Org, Bucket: DefaultBucket, AdminToken: AdminToken, instance: in}, nil
}

// setUp makes the bucket and its three tokens, with files in tokenDir.
func (s *Server) setUp(tokenDir string) error {
	ctx, cancel := context.WithTimeout(context.Background(), setupTimeout)
	defer cancel()
	folder := setup.Folder{Path: tokenDir}
	log := slog.New(slog.DiscardHandler)
	lock, err := folder.Lock(ctx, log)
	if err != nil {
		return err
	}
	defer lock.Close()
	stack, err := folder.Stack()
	if err != nil {
		return err
	}
	admin := setup.Admin{User: User, Password: Password, Token: AdminToken}
	bucket := []string{s.Bucket}
	db, err := setup.Apply(ctx, log, access.Config{URL: s.URL}, admin, setup.Plan{
		Stack:   stack,
		Org:     s.Org,
		Buckets: []setup.Bucket{{Name: s.Bucket}},
		Tokens: []setup.Token{
			{Name: "worker", Write: bucket},
			{Name: "dashboard", Read: bucket},
			{Name: "grafana", Read: bucket},
		},
	})
	if err != nil {
		return err
	}
	defer db.Close()
	if err := db.WriteTokens(ctx, folder); err != nil {
		return err
	}
	s.TokenDir = tokenDir
	for name, token := range map[string]*string{"worker": &s.WorkerToken, "dashboard": &s.DashboardToken, "grafana": &s.GrafanaToken} {
		text, err := os.ReadFile(filepath.Join(tokenDir, name))
		if err != nil {
			return err
		}
		*token = strings.TrimSpace(string(text))
	}
	return nil
}

// Stop ends the server as an outage would, politely; Restart brings it back at
// the same address with the same data. Not for a shared server.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.mustBeOwn(t)
	if err := s.stop(); err != nil {
		t.Fatalf("influxtest: stop: %v", err)
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

func (s *Server) mustBeOwn(t testing.TB) {
	t.Helper()
	if s.isShared() {
		t.Fatal("influxtest: a shared server must not be stopped: use Start")
	}
}

func (in *instance) start() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	running, err := influxd.Start(context.Background(), in.config)
	if err == nil {
		in.running = running
	}
	return err
}

func (in *instance) stop() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.running == nil {
		return nil
	}
	err := in.running.Stop()
	in.running = nil
	return err
}

// freeAddr picks a port that nothing uses. It is not one of those that the system hands out by
// itself, or a stopped server's port might be another's when it comes back.
func freeAddr() (string, error) {
	var err error
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20000+rand.IntN(10000)))
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", fmt.Errorf("find a free port: %w", err)
}
