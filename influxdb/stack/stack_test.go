package main

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/generator/process"
	"colorstream/generator/redisserver"
	"colorstream/influxdb/influxd"
)

// launcher runs this program in a process of its own, as a user does.
type launcher struct {
	self  string
	env   []string
	page  string
	addrs []string // of all its servers and programs
}

func newLauncher(t *testing.T, more ...string) *launcher {
	t.Helper()
	_, err := influxd.Find(os.Getenv)
	if errors.Is(err, influxd.ErrNotBuilt) && os.Getenv("CI") != "true" {
		t.Skipf("%v: run `make influxd` once", err)
	}
	if out, err := exec.Command("make", "-C", "../..", "build").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	l := &launcher{self: self, addrs: freeAddrs(t)}
	l.page = "http://" + l.addrs[7]
	l.env = append(append(os.Environ(), role+"=stack", "STACK_EXTERNAL=grafana", "WORKER_DATA_DIR=",
		"STACK_DATA="+filepath.Join(t.TempDir(), "data"),
		"REDIS_URL=redis://:a%20pass%22word@"+l.addrs[0], // and the five above it, if it is a cluster
		"INFLUX_URL=http://"+l.addrs[6], "DASHBOARD_ADDR="+l.addrs[7], "GENERATOR_ADDR="+l.addrs[8],
		"WORKER_ADDR="+l.addrs[10], // and 10 and 20 above it
		"GENERATOR_INTERVAL=20ms", "WORKER_WINDOW=1s", "DASHBOARD_REFRESH=500ms",
	), more...)
	return l
}

// freeAddrs finds addresses with consecutive ports. Those 10 000 above the first, which nodes of a
// Redis cluster listen on too, are free as well.
func freeAddrs(t *testing.T) []string {
	t.Helper()
	const n = 31
	for {
		first := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(2_700)))
		var addrs []string
		free := true
		for i := range n {
			addrs = append(addrs, above(first, i))
			free = free && process.Unused(above(first, i)) == nil
			free = free && (i > 5 || process.Unused(above(first, 10_000+i)) == nil)
		}
		if free {
			return addrs
		}
	}
}

func (l *launcher) start(t *testing.T, args ...string) *process.Process {
	t.Helper()
	cmd := exec.Command(l.self, args...)
	cmd.Env, cmd.Dir, cmd.Stdout = l.env, filepath.Join("..", ".."), t.Output()
	p, err := process.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(30 * time.Second) })
	return p
}

// latest waits until the page shows windows of that many colours.
func (l *launcher) latest(t *testing.T, p *process.Process, colours int) {
	t.Helper()
	for deadline := time.Now().Add(120 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		var document struct{ Colors []struct{ Count int64 } }
		resp, err := http.Get(l.page + "/latest")
		if err == nil {
			err = json.NewDecoder(resp.Body).Decode(&document)
			resp.Body.Close()
		}
		if err == nil && len(document.Colors) >= colours {
			return
		}
		select {
		case <-p.Done():
			t.Fatalf("the stack ended: %v", p.Err())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the page shows %d colours, %v", len(document.Colors), err)
		}
	}
}

// Everything, with the real programs: it runs, stops when asked to, and finds its data again.
func TestStack(t *testing.T) {
	t.Parallel()
	l := newLauncher(t)
	p := l.start(t)
	l.latest(t, p, 4)

	second := l.start(t)
	if err := second.Ending(); !strings.Contains(err.Error(), "runs already") {
		t.Errorf("a second run: %v", err)
	}
	p.Signal(syscall.SIGHUP) // as if its terminal were closed
	if err := p.Err(); err != nil {
		t.Errorf("after SIGHUP: %v", err)
	}

	// Nothing comes in any more, so what the page shows is from before.
	l.env = append(l.env, "GENERATOR_COUNT=1")
	p = l.start(t, "run")
	l.latest(t, p, 4)
	stop := l.start(t, "stop")
	if err := stop.Err(); err != nil {
		t.Errorf("stop: %v", err)
	}
	select {
	case <-p.Done():
		if err := p.Err(); err != nil {
			t.Errorf("after a stop: %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("stop returns, and the stack runs on")
	}
}

// Three workers on a Redis cluster. The kernel ends them all with a launcher that is killed.
func TestScaledStack(t *testing.T) {
	t.Parallel()
	if _, err := redisserver.Find(); err != nil && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	l := newLauncher(t, "WORKERS=3", "REDIS_CLUSTER=1")
	p := l.start(t)
	l.latest(t, p, 4)
	if runtime.GOOS != "linux" {
		return
	}
	p.Signal(syscall.SIGKILL)
	<-p.Done()
	for _, addr := range l.addrs {
		for deadline := time.Now().Add(20 * time.Second); process.Unused(addr) != nil; {
			if time.Now().After(deadline) {
				t.Fatalf("something listens on %s after its launcher was killed", addr)
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// A part that cannot start takes the rest down, and its words are the last.
func TestStackWithABadPart(t *testing.T) {
	t.Parallel()
	l := newLauncher(t, "WORKER_MAX_COLORS=many")
	p := l.start(t)
	if err := p.Err(); err == nil {
		t.Error("it ends well")
	}
	lines := p.Tail()
	if len(lines) == 0 || !strings.Contains(lines[len(lines)-1], "WORKER_MAX_COLORS") {
		t.Errorf("the last line is not the worker's error: %q", lines)
	}
}
