package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
)

// crowd is how many clients follow the events, within how long each must have each window, and what
// each may cost.
const (
	crowd         = 1000
	deliveryLimit = time.Second
	memoryLimit   = 64 << 10
)

// A follower counts the windows that one client gets.
type follower struct {
	windows atomic.Int64
	last    atomic.Int64 // when the newest came, in nanoseconds
}

// follow reads the events over a bare connection, so that the clients cost little beside what is
// measured.
func (f *follower) follow(ctx context.Context, address string, connected func()) error {
	connection, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer connection.Close()
	defer context.AfterFunc(ctx, func() { connection.Close() })()
	if _, err := io.WriteString(connection, "GET /events HTTP/1.1\r\nHost: "+address+"\r\n\r\n"); err != nil {
		return err
	}
	lines := bufio.NewReaderSize(connection, 1024)
	for {
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			continue // of a long line of data only the beginning counts
		}
		if err != nil {
			return err
		}
		switch text := string(line); {
		case strings.HasPrefix(text, "event: rows"):
			connected()
		case strings.HasPrefix(text, "event: change"):
			f.last.Store(time.Now().UnixNano())
			f.windows.Add(1)
		}
	}
}

// gather starts the crowd and waits until all of it is there.
func gather(t *testing.T, s *stack, n int) []*follower {
	t.Helper()
	followers := make([]*follower, n)
	ctx, cancel := context.WithCancel(context.Background())
	var running, connecting sync.WaitGroup
	connecting.Add(n)
	for i := range followers {
		f := new(follower)
		followers[i] = f
		running.Go(func() {
			if err := f.follow(ctx, strings.TrimPrefix(s.URL, "http://"), connecting.Done); err != nil &&
				ctx.Err() == nil {
				t.Errorf("a client's stream ended: %v", err)
			}
		})
	}
	t.Cleanup(func() { cancel(); running.Wait() })
	connecting.Wait()
	return followers
}

// deliver writes a window and returns how long each client waited for it, the shortest first.
func deliver(t *testing.T, s *stack, followers []*follower, mean float64) []time.Duration {
	t.Helper()
	before := make([]int64, len(followers))
	for i, f := range followers {
		before[i] = f.windows.Load()
	}
	s.write(t, point("red", 0, mean), point("blue", 0, mean),
		point("green", 0, mean), point("yellow", 0, mean))
	written := time.Now()
	s.await(t, "each client has the window", func() bool {
		for i, f := range followers {
			if f.windows.Load() == before[i] {
				return false
			}
		}
		return true
	})
	waits := make([]time.Duration, len(followers))
	for i, f := range followers {
		waits[i] = time.Unix(0, f.last.Load()).Sub(written)
		if got := f.windows.Load() - before[i]; got > 2 { // two, if a read found half of a write
			t.Errorf("a client got the window in %d events", got)
		}
	}
	slices.Sort(waits)
	return waits
}

// newProcess runs the page as a process of its own, so that what it costs can be read from its
// metrics.
func newProcess(t *testing.T, db *influxtest.Server) *stack {
	t.Helper()
	s := &stack{db: db, grafana: newStandIn(t)}
	address := freeAddress(t)
	s.URL = "http://" + address
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), childVariable+"=1",
		"INFLUX_URL="+db.URL, "INFLUX_ORG="+db.Org, "INFLUX_BUCKET="+db.Bucket,
		"INFLUX_TOKEN="+db.DashboardToken, "GRAFANA_URL="+s.grafana.URL, "DASHBOARD_ADDR="+address,
		"WORKER_WINDOW="+width.String(), "DASHBOARD_REFRESH=1s")
	command.Stdout, command.Stderr = t.Output(), t.Output()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
		defer kill.Stop()
		if err := command.Wait(); err != nil {
			t.Errorf("the page ended with %v", err)
		}
	})
	s.await(t, "the page answers", func() bool {
		response, err := http.Get(s.URL + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return s
}

// metric reads one of the page's metrics, whatever its labels.
func (s *stack) metric(t *testing.T, name string) float64 {
	t.Helper()
	_, body := s.get(t, "/metrics")
	for line := range strings.Lines(body) {
		series, text, _ := strings.Cut(line, " ")
		if series == name || strings.HasPrefix(series, name+"{") {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return value
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// 1000 browsers follow the page: each has each window within a second of its being written.
func TestCrowd(t *testing.T) {
	s := newProcess(t, influxtest.Start(t))
	s.write(t, point("red", 1, 1), point("blue", 1, 1), point("green", 1, 1), point("yellow", 1, 1))
	time.Sleep(2 * width) // the first read is behind us
	before := s.metric(t, "process_resident_memory_bytes")
	followers := gather(t, s, crowd)
	deliver(t, s, followers, 2)
	each := (s.metric(t, "process_resident_memory_bytes") - before) / crowd
	var all []time.Duration
	for i := range 5 {
		waits := deliver(t, s, followers, float64(i))
		all = append(all, waits...)
		time.Sleep(time.Until(time.Now().Truncate(width).Add(width))) // the next window
	}
	slices.Sort(all)
	t.Logf("%d clients, 5 windows: delivered after %v (median), %v (99 %%), %v (last); %.0f bytes of memory and %.1f goroutines each; %.2f s of CPU in all",
		crowd, all[len(all)/2], all[len(all)*99/100], all[len(all)-1], each, s.metric(t,
			"go_goroutines")/crowd, s.metric(t, "process_cpu_seconds_total"))
	if last := all[len(all)-1]; last > deliveryLimit {
		t.Errorf("the last client had a window after %v, the limit is %v", last, deliveryLimit)
	}
	if each > memoryLimit && !raced() { // which costs several times as much
		t.Errorf("a client costs %.0f bytes, the limit is %d", each, memoryLimit)
	}
}

// raced reports whether the race detector is at work.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// With SOAK=10m the crowd stays for ten minutes, while a hundred more come and go, and nothing may
// grow.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("a long test: set SOAK=10m to run it")
	}
	s := newProcess(t, influxtest.Start(t))
	followers := gather(t, s, crowd)
	var worst time.Duration
	type sample struct{ goroutines, memory float64 }
	var first, last sample
	begin, windows := time.Now(), 0
	for windows = 0; time.Since(begin) < length; windows++ {
		passing, cancel := context.WithCancel(t.Context())
		var guests sync.WaitGroup
		for range 100 {
			guests.Go(func() { _ = new(follower).follow(passing, strings.TrimPrefix(s.URL, "http://"), func() {}) })
		}
		for _, path := range []string{"/", "/latest", "/chart.svg?stat=mean&range=5m", "/static/page.js", "/series?range=1h"} {
			if status, _ := s.get(t, path); status != http.StatusOK {
				t.Errorf("%s answers %d", path, status)
			}
		}
		waits := deliver(t, s, followers, float64(windows))
		worst = max(worst, waits[len(waits)-1])
		cancel()
		guests.Wait()
		time.Sleep(time.Until(time.Now().Truncate(width).Add(width)))
		last = sample{s.metric(t, "go_goroutines"), s.metric(t, "process_resident_memory_bytes")}
		if first.memory == 0 && time.Since(begin) > length/10 {
			first = last // warm by now
		}
	}
	t.Logf("%v, %d windows to %d clients, the slowest after %v; goroutines %v → %v, memory %.1f → %.1f MB", length, windows, crowd, worst,
		first.goroutines, last.goroutines, first.memory/1e6, last.memory/1e6)
	if last.goroutines > first.goroutines+150 || last.memory > first.memory*1.15+8e6 {
		t.Error("something grows")
	}
	if worst > deliveryLimit {
		t.Errorf("a window took %v", worst)
	}
}

// childVariable makes the test binary be the program.
const childVariable = "PAGE_TEST_CHILD"
