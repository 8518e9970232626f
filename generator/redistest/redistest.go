// Package redistest starts real Redis servers for tests, on free ports of the loopback and with
// their files in folders of the test's own: one server with any settings ([Start]), or a cluster of
// three masters and three replicas ([StartCluster]). Tests kill, restart, stop and resume each of
// them.
//
// Without redis-server a test is skipped, or fails where CI=true.
package redistest

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/process"
	"colorstream/generator/redisserver"
)

// A Server is one redis-server. It ends with the test.
type Server struct {
	Host *Host // where it runs; nil for the test's own

	t       testing.TB
	config  redisserver.Config
	process *process.Process
}

// A Host is a machine of a Network: a namespace with an address of its own.
type Host struct {
	Addr   string   // its IP address
	Within []string // the beginning of a command line that runs a program there
}

// Start starts a server with further settings, such as "--appendonly", "yes", "--appendfsync",
// "always" or "--maxmemory", "10mb".
func Start(t testing.TB, args ...string) *Server { return start(t, nil, args...) }

func start(t testing.TB, host *Host, args ...string) *Server {
	t.Helper()
	if _, err := redisserver.Find(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	s := &Server{Host: host, t: t}
	for {
		s.config = redisserver.Config{
			Addr: process.FreeAddr(), Dir: t.TempDir(), Args: args, Output: t.Output(),
		}
		if host != nil {
			s.config.Addr, s.config.Within = host.Addr+":6379", host.Within
			s.config.Args = append([]string{"--protected-mode", "no"}, args...)
		}
		err := s.launch()
		if err == nil {
			t.Cleanup(s.Kill)
			return s
		}
		if !errors.Is(err, syscall.EADDRINUSE) { // another test took the port before Redis did
			t.Fatal(err)
		}
	}
}

func (s *Server) launch() (err error) {
	s.process, err = redisserver.Start(context.Background(), s.config)
	return err
}

// Addr returns the server's host and port.
func (s *Server) Addr() string { return s.config.Addr }

// URL returns the server's REDIS_URL.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// ServeTLS makes the server listen with TLS too, with a certificate, and take only clients that
// have one of the authority. It returns that REDIS_URL.
func (s *Server) ServeTLS(ca, cert, key string) (url string) {
	s.t.Helper()
	addr := process.FreeAddr()
	_, port, _ := net.SplitHostPort(addr)
	client := s.Client()
	for _, set := range [][2]string{
		{"tls-cert-file", cert},
		{"tls-key-file", key},
		{"tls-ca-cert-file", ca},
		{"tls-auth-clients", "yes"},
		{"tls-port", port},
	} {
		if err := client.ConfigSet(s.t.Context(), set[0], set[1]).Err(); err != nil {
			s.t.Skipf("this redis-server has no TLS: %v", err)
		}
	}
	return "rediss://" + addr + "/0"
}

// Client returns a client that ends with the test.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), ReadBufferSize: 1 << 20})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// replication returns what the server says of its master or its replicas.
func (s *Server) replication() map[string]string {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	info, _ := client.InfoMap(s.t.Context(), "replication").Result()
	return info["Replication"] // nil where it does not answer
}

// AppendOnlyFile returns the path of the file that receives every write of a server with
// appendonly.
func (s *Server) AppendOnlyFile() string {
	s.t.Helper()
	pattern := filepath.Join(s.config.Dir, "appendonlydir", "*.incr.aof")
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		s.t.Fatalf("no file %s (%v): is the server started with --appendonly yes, and of Redis 7?",
			pattern, err)
	}
	return slices.Max(files)
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	if s.process != nil {
		// Linux delivers SIGKILL to a stopped process too, others may not.
		s.process.Signal(syscall.SIGCONT)
		s.process.Kill()
	}
}

// Shutdown ends the server in order (SIGTERM).
func (s *Server) Shutdown() {
	s.t.Helper()
	if err := s.process.Stop(10 * time.Second); err != nil {
		s.t.Fatalf("shut down: %v", err)
	}
}

// Restart starts a killed server again, with the same port and files.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatalf("restart: %v", err)
	}
}

// Stop makes the server hang (SIGSTOP), until Resume.
func (s *Server) Stop() { s.process.Signal(syscall.SIGSTOP) }

// Resume lets a stopped server go on (SIGCONT).
func (s *Server) Resume() { s.process.Signal(syscall.SIGCONT) }
