// Package redistest starts a real redis-server for tests, on a free port of the loopback and with its files in a
// folder of the test's own, and kills, restarts, stops and resumes it.
package redistest

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// A Server is one redis-server. It ends with the test.
type Server struct {
	t    testing.TB
	args []string
	dir  string
	port int
	cmd  *exec.Cmd
}

// Start starts a server with further arguments, such as "--appendonly", "yes". Without the program the test is
// skipped, or fails where CI=true.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const missing = "redis-server is not installed (apt-get install redis-server, brew install redis)"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	s := &Server{t: t, args: args, dir: t.TempDir()}
	for range 5 { // another program may take the port before Redis does
		s.port = freePort(t)
		if s.launch() == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatal("redis-server does not start")
	return nil
}

func freePort(t testing.TB) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (s *Server) launch() error {
	args := append([]string{
		"--port", strconv.Itoa(s.port), "--bind", "127.0.0.1", "--dir", s.dir, "--save", "",
		"--loglevel", "warning",
	}, s.args...)
	s.cmd = exec.Command("redis-server", args...)
	s.cmd.Stdout, s.cmd.Stderr = s.t.Output(), s.t.Output()
	if err := s.cmd.Start(); err != nil {
		return err
	}
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	var err error
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if err = client.Ping(context.Background()).Err(); err == nil {
			info, infoErr := client.InfoMap(context.Background(), "server").Result()
			if infoErr == nil && info["Server"]["process_id"] == strconv.Itoa(s.cmd.Process.Pid) {
				return nil
			}
			err = fmt.Errorf("another server answers: %w", infoErr)
			break
		}
	}
	s.Kill()
	return err
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// URL is the server's REDIS_URL.
func (s *Server) URL() string { return "redis://" + s.Addr() + "/0" }

// Client makes a client that ends with the test.
func (s *Server) Client() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), ReadBufferSize: 1 << 20})
	s.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Kill ends the server at once, as kill -9 does.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended already
	_ = s.cmd.Wait()
}

// Restart starts a killed server again, with the same port and files.
func (s *Server) Restart() {
	s.t.Helper()
	if err := s.launch(); err != nil {
		s.t.Fatalf("restart redis-server: %v", err)
	}
}

// Stop makes the server hang, until Resume.
func (s *Server) Stop() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a stopped server go on.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }
