package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
)

// The test binary plays the programs: with this variable it does what that says and is no test.
const role = "STACK_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "stack": // the launcher itself
		service.Main(run)
	case "serve":
		service.Main(func(ctx context.Context, p service.Process) error {
			if data := p.Environ["STACK_TEST_LOCK"]; data != "" {
				lock, err := acquire(data)
				if err != nil {
					return err
				}
				defer lock.Close()
			}
			fmt.Fprintln(p.Stdout, "serving")
			<-ctx.Done()
			fmt.Fprintln(p.Stdout, "stopped")
			return nil
		})
	case "fail":
		fmt.Println("all is well")
		fmt.Fprintln(os.Stderr, "error: the dog ate it")
		os.Exit(3)
	case "finish":
		fmt.Println("finished")
	}
}

func waitFor(t *testing.T, out *servicetest.Output, text string) {
	t.Helper()
	servicetest.Eventually(t, "the output has "+text, func() bool { return out.Count(text) > 0 })
}

// testStack is a stack whose programs are roles of the test binary.
func testStack(t *testing.T) (*stack, *servicetest.Output) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	sc := new(servicetest.Output)
	s := &stack{
		config: config{Data: t.TempDir(), Workers: 1}, root: t.TempDir(), bin: filepath.Dir(self),
		environ: map[string]string{}, out: log.New(sc, "", 0),
	}
	t.Cleanup(func() { _ = s.stop() })
	return s, sc
}

func (s *stack) play(t *testing.T, name, what string) {
	t.Helper()
	set := map[string]string{role: what}
	if err := s.program(t.Context(), name, filepath.Base(os.Args[0]), addrOff, set); err != nil {
		t.Fatal(err)
	}
}

func TestStopsInReverseOrder(t *testing.T) {
	t.Parallel()
	s, sc := testStack(t)
	for _, name := range []string{"first", "second", "third"} {
		s.play(t, name, "serve")
		waitFor(t, sc, fmt.Sprintf("%-9s │ serving", name))
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	want := []string{"third     │ stopped", "second    │ stopped", "first     │ stopped"}
	lines := strings.Split(strings.TrimSpace(sc.String()), "\n")
	if diff := cmp.Diff(want, lines[len(lines)-3:]); diff != "" {
		t.Error(diff)
	}
}

func TestProgramThatEnds(t *testing.T) {
	t.Parallel()
	s, _ := testStack(t)
	s.play(t, "healthy", "serve")
	s.play(t, "victim", "fail")
	err := s.watch(t.Context())
	if err == nil || !strings.Contains(err.Error(), "exit status 3") ||
		!strings.HasSuffix(err.Error(), "the dog ate it") {
		t.Errorf("one that fails: %v", err)
	}
	s, _ = testStack(t)
	s.play(t, "page", "finish")
	if err := s.watch(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 0") {
		t.Errorf("one that is done although it should not be: %v", err)
	}
	s, sc := testStack(t)
	s.play(t, "generator", "finish")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		waitFor(t, sc, "the generator is done")
		cancel()
	}()
	if err := s.watch(ctx); err != nil {
		t.Errorf("a generator with an end: %v", err)
	}
	s, _ = testStack(t)
	if err := s.command(t.Context(), filepath.Base(os.Args[0]), map[string]string{role: "fail"}); err == nil ||
		!strings.HasSuffix(err.Error(), "the dog ate it") {
		t.Errorf("a command that fails: %v", err)
	}
}

// A stranger's service on the port of ours answers "ok" too, but not with the process id of our
// child.
func TestStrangerDoesNotCountAsReady(t *testing.T) {
	t.Parallel()
	s, _ := testStack(t)
	s.play(t, "worker", "serve")
	child := s.children[0].Process
	var answer atomic.Value
	stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, answer.Load())
	}))
	defer stranger.Close()
	ask := func() error {
		return child.WaitHTTP(t.Context(), 200*time.Millisecond,
			stranger.URL+"/healthz", fmt.Sprintf("ok %d\n", child.PID()))
	}
	for _, text := range []string{"ok\n", "ok 1\n"} {
		answer.Store(text)
		if err := ask(); err == nil ||
			!strings.Contains(err.Error(), "another program answers at "+stranger.URL) {
			t.Errorf("%q: %v", text, err)
		}
	}
	answer.Store(fmt.Sprintf("ok %d\n", child.PID()))
	if err := ask(); err != nil {
		t.Errorf("ours: %v", err)
	}
}

func TestOutputKeepsLinesWhole(t *testing.T) {
	t.Parallel()
	sc := new(servicetest.Output)
	o := log.New(sc, "", 0)
	a, b := &lineWriter{out: o, name: "a"}, &lineWriter{out: o, name: "b"}
	fmt.Fprint(a, "one ")
	fmt.Fprint(b, "two\r\nthree\n\n")
	fmt.Fprint(a, "line\nrest")
	want := "b         │ two\nb         │ three\nb         │ \na         │ one line\n"
	if diff := cmp.Diff(want, sc.String()); diff != "" {
		t.Error(diff)
	}
	fmt.Fprint(b, strings.Repeat("x", 2*longestLine))
	if len(b.rest) >= longestLine {
		t.Error("a line without end is kept in memory")
	}
}

func TestPortInUse(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	_, number, _ := net.SplitHostPort(addr)
	s, _ := testStack(t)
	s.DashboardAddr, s.GeneratorAddr, s.workers = addr, addrOff, []string{"127.0.0.1:0"}
	s.influx = server{listen: addr}
	s.redis = server{listen: "192.0.2.1:80"}
	err = checkPorts(s.parts())
	if err == nil {
		t.Fatal("no error")
	}
	wants := []string{
		"nothing was started\n", number + ": bind: address already in use (set DASHBOARD_ADDR",
		"(set INFLUX_URL to another address), or use what is there with STACK_EXTERNAL=influxdb",
		"REDIS_URL: listen",
	}
	for _, want := range wants {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "WORKER_ADDR") {
		t.Errorf("a free port is reported: %v", err)
	}
}

// A process of its own has the lock: one process cannot lock out itself.
func TestOnlyOneStackPerFolder(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	stops := func(want string) {
		t.Helper()
		var out bytes.Buffer
		if err := stop(t.Context(), &out, data); err != nil || !strings.Contains(out.String(), want) {
			t.Errorf("%q, %v, want %q", out.String(), err, want)
		}
	}
	stops("nothing to stop")
	s, sc := testStack(t)
	s.environ["STACK_TEST_LOCK"] = data
	s.play(t, "first", "serve")
	waitFor(t, sc, "serving")
	first := s.children[0]
	_, err := acquire(data)
	if want := fmt.Sprintf("runs already (process %d)", first.PID()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a second one: %v, want %s", err, want)
	}
	stops(fmt.Sprintf("(process %d)\nstopped\n", first.PID()))
	if lock, err := acquire(data); err != nil {
		t.Errorf("after its end: %v", err)
	} else {
		lock.Close()
	}
	if err := first.Err(); err != nil {
		t.Error(err)
	}
	stops("nothing to stop")
}

func TestWhatIsStartedHere(t *testing.T) {
	t.Parallel()
	check := func(address, external, want string) {
		t.Helper()
		got := config{External: []string{external}}.local("redis", address, "6379")
		if got != want {
			t.Errorf("%s, external %v: %q; want %q", address, external, got, want)
		}
	}
	check("redis://localhost", "", "127.0.0.1:6379")
	check("redis://127.0.0.1:7000/3", "", "127.0.0.1:7000")
	check("redis://[::1]:7000", "", "[::1]:7000")
	check("redis://localhost", "redis", "")
	check("redis://localhost", "influxdb", "127.0.0.1:6379")
	check("redis://redis.example:6379", "", "")
	check("redis://10.0.0.7:6379", "", "")
}

func TestScaleOut(t *testing.T) {
	t.Parallel()
	s, _ := testStack(t)
	s.Workers, s.Cluster, s.WorkerAddr, s.GeneratorAddr = 3, true, "127.0.0.1:8051", addrOff
	if err := s.scaleOut(); err != nil {
		t.Fatal(err)
	}
	if s.environ["REDIS_TRANSPORT"] != "stream" || s.environ["REDIS_PARTITIONS"] != "12" {
		t.Errorf("got %v", s.environ)
	}
	s.influx.listen = "127.0.0.1:8086"
	for _, want := range []string{
		"worker-1=http://127.0.0.1:8051/metrics",
		"worker-3=http://127.0.0.1:8071/metrics",
	} {
		if got := s.scrape(); !strings.Contains(got, want) {
			t.Errorf("InfluxDB does not read %s: %s", want, got)
		}
	}
	for _, c := range []struct{ transport, url, want string }{
		{"pubsub", "redis://localhost", "REDIS_TRANSPORT"},
		{"", "redis://elsewhere:6379", "REDIS_CLUSTER"},
		{"stream", "redis://localhost?addr=localhost:1", "REDIS_CLUSTER"},
	} {
		s, _ := testStack(t)
		s.Cluster, s.RedisURL, s.environ["REDIS_TRANSPORT"] = true, c.url, c.transport
		err := s.scaleOut()
		if err == nil {
			err = s.findRedis()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v", c, err)
		}
	}
}
