package influxtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// shared is the package's one server. A test binary has one set of packages, so this one variable
// is what a TestMain without arguments can reach.
var shared struct {
	sync.Mutex
	dir     string // of its files; "" without Main, which stops the server
	err     error
	server  *Server // nil until the first use
	buckets atomic.Int64
}

// Main is the whole of a TestMain in a package that uses [Shared].
func Main(m *testing.M) {
	shared.dir, shared.err = os.MkdirTemp("", "influxtest-*")
	code := m.Run()
	var err error
	if shared.server != nil {
		err = shared.server.stop()
	}
	if err = errors.Join(err, os.RemoveAll(shared.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "influxtest:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Shared returns the server that all tests of the package share, started at the first call.
func Shared(t testing.TB) *Server {
	t.Helper()
	path := binary(t)
	shared.Lock()
	defer shared.Unlock()
	if shared.dir == "" {
		t.Fatal("influxtest: Shared needs a TestMain that calls influxtest.Main, which stops the server")
	}
	if shared.server == nil && shared.err == nil {
		if shared.server, shared.err = start(path, shared.dir); shared.err == nil {
			shared.err = shared.server.setUp(filepath.Join(shared.dir, "tokens"))
		}
	}
	if shared.err != nil {
		t.Fatalf("influxtest: start the shared server: %v", shared.err)
	}
	return shared.server
}

// NewBucket returns the same server seen through a new, empty bucket with tokens of its own.
func (s *Server) NewBucket(t testing.TB) *Server {
	t.Helper()
	own := *s
	own.Bucket = fmt.Sprint("bucket_", shared.buckets.Add(1))
	if err := own.setUp(t.TempDir()); err != nil {
		t.Fatalf("influxtest: make bucket %s: %v", own.Bucket, err)
	}
	return &own
}
