package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"colorstream/generator/process"
	"colorstream/generator/service"

	"github.com/google/go-cmp/cmp"
)

// The test binary itself plays the parts: a process with this variable does what it says and is no test.
const role = "STACK_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		os.Exit(m.Run())
	case "stack": // the launcher itself
		service.Main(run)
	case "serve": // until it is asked to stop
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGTERM)
		fmt.Println("serving")
		<-signals
		fmt.Print("stopped")
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("serving")
		select {}
	case "fail":
		fmt.Println("all is well")
		fmt.Fprintln(os.Stderr, "error: the dog ate it")
		os.Exit(3)
	case "finish":
		fmt.Println("finished")
	}
}

// play makes a part of the test binary. It is ready when it has printed "serving".
func play(t *testing.T, s *supervisor, name, what string) part {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	screen := s.out.w.(*screen)
	p := part{
		name: name, patience: 10 * time.Second, grace: 5 * time.Second,
		spec: process.Command{Path: self, Env: append(os.Environ(), role+"="+what)},
	}
	if what == "serve" || what == "stubborn" {
		p.ready = func(context.Context) error {
			if !strings.Contains(screen.String(), fmt.Sprintf("%-*s │ serving", nameWidth, name)) {
				return errors.New("it does not serve")
			}
			return nil
		}
	}
	return p
}

// screen is where the output goes.
type screen struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func testSupervisor(t *testing.T) (*supervisor, *screen) {
	t.Helper()
	sc := &screen{}
	s := newSupervisor(newOutput(sc, map[string]string{}))
	t.Cleanup(func() {
		now, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.stop(now)
	})
	return s, sc
}

func mustStart(t *testing.T, s *supervisor, p part) *runningPart {
	t.Helper()
	r, err := s.start(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.await(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestStopsInReverseOrder(t *testing.T) {
	t.Parallel()
	s, sc := testSupervisor(t)
	for _, name := range []string{"first", "second", "third"} {
		mustStart(t, s, play(t, s, name, "serve"))
	}
	if err := s.stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{"third     │ stopped", "second    │ stopped", "first     │ stopped"}
	lines := strings.Split(strings.TrimSpace(sc.String()), "\n")
	if diff := cmp.Diff(want, lines[len(lines)-3:]); diff != "" {
		t.Error(diff)
	}
}

func TestPartThatDiesIsReported(t *testing.T) {
	t.Parallel()
	s, _ := testSupervisor(t)
	mustStart(t, s, play(t, s, "healthy", "serve"))
	mustStart(t, s, play(t, s, "victim", "fail"))
	err := s.watch(t.Context())
	if err == nil || !strings.Contains(err.Error(), "victim ended (exit status 3)") || !strings.HasSuffix(err.Error(), "the dog ate it") {
		t.Errorf("got %v", err)
	}
}

func TestPartThatDiesWhileStarting(t *testing.T) {
	t.Parallel()
	s, _ := testSupervisor(t)
	p := play(t, s, "victim", "fail")
	p.ready = func(context.Context) error { return errors.New("never") }
	r, err := s.start(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.await(t.Context(), r); err == nil || !strings.Contains(err.Error(), "the dog ate it") {
		t.Errorf("got %v", err)
	}
}

func TestPartThatIsNeverReady(t *testing.T) {
	t.Parallel()
	s, _ := testSupervisor(t)
	p := play(t, s, "slow", "serve")
	p.ready = func(context.Context) error { return errors.New("it answers 503") }
	p.patience = 200 * time.Millisecond
	r, err := s.start(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.await(t.Context(), r); err == nil || !strings.Contains(err.Error(), "not ready after 200ms: it answers 503") {
		t.Errorf("got %v", err)
	}
}

func TestFinitePartMayEnd(t *testing.T) {
	t.Parallel()
	s, sc := testSupervisor(t)
	p := play(t, s, "short", "finish")
	p.finite = true
	mustStart(t, s, p)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.watch(ctx) }()
	eventually(t, func() bool { return strings.Contains(sc.String(), "short is done") })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("got %v", err)
	}

	p = play(t, s, "failing", "fail")
	p.finite = true
	mustStart(t, s, p)
	if err := s.watch(t.Context()); err == nil {
		t.Error("a finite part that fails is not reported")
	}
}

func TestOnce(t *testing.T) {
	t.Parallel()
	s, _ := testSupervisor(t)
	if err := s.once(t.Context(), play(t, s, "init", "finish")); err != nil {
		t.Error(err)
	}
	if err := s.once(t.Context(), play(t, s, "init", "fail")); err == nil || !strings.Contains(err.Error(), "the dog ate it") {
		t.Errorf("got %v", err)
	}
	if len(s.running) != 0 {
		t.Errorf("it still counts as running: %v", s.running)
	}
}

func TestStubbornPartIsKilled(t *testing.T) {
	t.Parallel()
	t.Run("after its grace", func(t *testing.T) {
		t.Parallel()
		s, _ := testSupervisor(t)
		p := play(t, s, "stubborn", "stubborn")
		p.grace = 100 * time.Millisecond
		mustStart(t, s, p)
		if err := s.stop(t.Context()); err == nil || !strings.Contains(err.Error(), "stubborn") || !strings.Contains(err.Error(), "100ms") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("when hurried", func(t *testing.T) {
		t.Parallel()
		s, _ := testSupervisor(t)
		p := play(t, s, "stubborn", "stubborn")
		p.grace = time.Hour
		r := mustStart(t, s, p)
		hurry, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		if err := s.stop(hurry); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Done():
		default:
			t.Error("it runs on")
		}
	})
}

func TestProgramThatIsNotThere(t *testing.T) {
	t.Parallel()
	s, _ := testSupervisor(t)
	if _, err := s.start(part{name: "ghost", spec: process.Command{Path: "/no/such/program"}}); err == nil || !strings.Contains(err.Error(), "ghost") {
		t.Errorf("got %v", err)
	}
}

func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("waited in vain")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func TestOutputKeepsLinesWhole(t *testing.T) {
	t.Parallel()
	sc := &screen{}
	o := newOutput(sc, map[string]string{})
	a, b := o.part("a"), o.part("b")
	fmt.Fprint(a, "one ")
	fmt.Fprint(b, "two\r\nthree\n\n")
	fmt.Fprint(a, "line\nrest")
	a.flush()
	a.flush()
	want := "b         │ two\nb         │ three\nb         │ \na         │ one line\na         │ rest\n"
	if diff := cmp.Diff(want, sc.String()); diff != "" {
		t.Error(diff)
	}
	fmt.Fprint(b, strings.Repeat("x", 2*longestLine))
	if len(b.rest) >= longestLine {
		t.Error("a line without end is kept in memory")
	}
}

func TestPortsAreCheckedTogether(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	addr := taken.Addr().String()
	err = checkPorts([]port{
		{"the page", addr, "DASHBOARD_ADDR", "DASHBOARD_ADDR=127.0.0.1:9050"},
		{"free", "127.0.0.1:0", "FREE_ADDR", ""},
		{"InfluxDB", addr, "INFLUX_URL", "INFLUX_URL=http://localhost:8087"},
		{"strange", "192.0.2.1:80", "STRANGE_ADDR", ""},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"nothing was started", addr, "set DASHBOARD_ADDR", "set INFLUX_URL", "STRANGE_ADDR says"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "FREE_ADDR") {
		t.Errorf("a free port is reported: %v", err)
	}
}

func TestOnlyOneStackPerFolder(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	in, err := acquire(data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acquire(data); !errors.Is(err, errRunning) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	if running, err := locked(data); err != nil || !running {
		t.Errorf("locked: %v, %v", running, err)
	}
	in.release()
	if running, err := locked(data); err != nil || running {
		t.Errorf("locked after the release: %v, %v", running, err)
	}
	if in, err = acquire(data); err != nil {
		t.Fatalf("again: %v", err)
	}
	in.release()
}

// What a launcher leaves that was killed where nothing tells its children.
func TestLeftoversAreNamedAndStopped(t *testing.T) {
	t.Parallel()
	s, _ := testSupervisor(t)
	data := t.TempDir()
	in, err := acquire(data)
	if err != nil {
		t.Fatal(err)
	}
	left := mustStart(t, s, play(t, s, "influxd", "serve"))
	if err := in.add(left); err != nil {
		t.Fatal(err)
	}
	in.lock.Close() // it crashes: the lock is gone, the record is not

	_, err = acquire(data)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("influxd (process %d)", left.PID())) || !strings.Contains(err.Error(), "make stop") {
		t.Fatalf("got %v", err)
	}
	var out bytes.Buffer
	if err := stop(t.Context(), &out, data); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "influxd") {
		t.Errorf("it says %q", out.String())
	}
	<-left.Done()
	if in, err = acquire(data); err != nil {
		t.Fatalf("after the stop: %v", err)
	}
	in.release()
}

func TestStopWithoutAStack(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := stop(t.Context(), &out, filepath.Join(t.TempDir(), "none")); err != nil || !strings.Contains(out.String(), "nothing to stop") {
		t.Errorf("%v, %q", err, out.String())
	}
}

// A number that another program has got by now must not be taken for ours.
func TestForeignProcessIsNoLeftover(t *testing.T) {
	t.Parallel()
	for _, r := range []recorded{{"influxd", os.Getpid(), "/usr/bin/influxd-0"}, {"nobody", 0, "x"}, {"init", 1, "init"}} {
		if r.alive() {
			t.Errorf("%v counts as ours", r)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if r := (recorded{"self", os.Getpid(), self}); !r.alive() {
		t.Errorf("%v does not count", r)
	}
}

func TestWhatIsStartedHere(t *testing.T) {
	t.Parallel()
	check := func(address string, external []string, want string, ours bool) {
		t.Helper()
		listen, got := config{External: external}.ours("redis", address, "6379")
		if got != ours || ours && listen != want {
			t.Errorf("%s, external %v: %q, %v; want %q, %v", address, external, listen, got, want, ours)
		}
	}
	check("redis://localhost", nil, "127.0.0.1:6379", true)
	check("redis://127.0.0.1:7000/3", nil, "127.0.0.1:7000", true)
	check("redis://[::1]:7000", nil, "[::1]:7000", true)
	check("redis://localhost", []string{"redis"}, "", false)
	check("redis://localhost", []string{"influxdb"}, "127.0.0.1:6379", true)
	check("redis://redis.example:6379", nil, "", false)
	check("redis://10.0.0.7:6379", nil, "", false)
}

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	err := config{
		External: []string{"kafka"}, RedisURL: "redis://%", InfluxURL: "localhost", GrafanaURL: "http://localhost:3000",
		DashboardAddr: "8050", WorkerAddr: ":8051", GeneratorAddr: addrOff,
	}.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	lines := strings.Split(err.Error(), "\n")
	slices.Sort(lines)
	for i, want := range []string{"DASHBOARD_ADDR", "INFLUX_URL", "REDIS_URL", "STACK_EXTERNAL"} {
		if len(lines) != 4 || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("got %v", err)
		}
	}
}
