package main

import (
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/generator/process"
	"colorstream/influxdb/influxd"
)

// launcher runs this program in a process of its own, as a user does.
type launcher struct {
	self string
	env  []string
	page string
}

func newLauncher(t *testing.T, more ...string) *launcher {
	t.Helper()
	if _, err := influxd.Find(os.Getenv); errors.Is(err, influxd.ErrNotBuilt) && os.Getenv("CI") != "true" {
		t.Skipf("%v: run `make influxd` once", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddrs(t, 5)
	return &launcher{self: self, page: "http://" + addr[2], env: append(append(os.Environ(),
		role+"=stack",
		"STACK_DATA="+filepath.Join(t.TempDir(), "data"), "STACK_EXTERNAL=grafana", "WORKER_DATA_DIR=",
		"REDIS_URL=redis://:a%20pass%22word@"+addr[0], "INFLUX_URL=http://"+addr[1], "DASHBOARD_ADDR="+addr[2], "WORKER_ADDR="+addr[3], "GENERATOR_ADDR="+addr[4],
		"GENERATOR_INTERVAL=20ms", "WORKER_WINDOW=1s", "DASHBOARD_REFRESH=500ms",
	), more...)}
}

func freeAddrs(t *testing.T, n int) []string {
	t.Helper()
	var addrs []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		addrs = append(addrs, l.Addr().String())
	}
	return addrs
}

func (l *launcher) start(t *testing.T, args ...string) *process.Process {
	t.Helper()
	// The processes that it starts are in groups of their own: killing it ends them too, but stopping is kinder.
	p, err := process.Start(process.Command{Path: l.self, Args: args, Env: l.env, Dir: filepath.Join("..", ".."), Output: t.Output()})
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

// Everything, with the real programs: it runs, says so, stops when asked to, and finds its data again.
func TestStack(t *testing.T) {
	t.Parallel()
	l := newLauncher(t)
	p := l.start(t)
	l.latest(t, p, 4)

	second := l.start(t)
	if err := second.Err(); err == nil || !strings.Contains(strings.Join(second.Tail(), "\n"), "runs already") {
		t.Errorf("a second run: %v, %q", err, second.Tail())
	}
	if err := syscall.Kill(p.PID(), syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("after an interrupt: %v", err)
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
