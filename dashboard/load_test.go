package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"colorstream/generator/service/servicetest"
)

// crowd is how many clients follow the events, within how long each must have each window, and what
// each may cost.
const (
	crowd         = 1000
	deliveryLimit = time.Second
	memoryLimit   = 64 << 10
)

func (s *stack) address() string { return strings.TrimPrefix(s.URL, "http://") }

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
			if err := f.follow(ctx, s.address(), connecting.Done); err != nil &&
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
	servicetest.Eventually(t, "each client has the window", func() bool {
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

// memory is what the process holds.
func memory() float64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return float64(stats.HeapAlloc + stats.StackInuse)
}

// 1000 browsers follow the page: each has each window within a second of its being written. With
// SOAK=10m they stay for ten minutes, while a hundred more come and go, and nothing may grow.
func TestCrowd(t *testing.T) {
	length, _ := time.ParseDuration(os.Getenv("SOAK")) // without it: 0
	s := newStack(t, noGrafana)
	s.write(t, point("red", 1, 1), point("blue", 1, 1), point("green", 1, 1), point("yellow", 1, 1))
	time.Sleep(2 * width) // the first read is behind us
	empty := memory()
	followers := gather(t, s, crowd)
	deliver(t, s, followers, 2)
	before, goroutines := memory(), runtime.NumGoroutine()
	var all []time.Duration
	begin, windows := time.Now(), 0
	for ; windows < 5 || time.Since(begin) < length; windows++ {
		passing, cancel := context.WithCancel(t.Context())
		var guests sync.WaitGroup
		if length > 0 {
			for range 100 {
				guests.Go(func() { _ = new(follower).follow(passing, s.address(), func() {}) })
			}
			for _, path := range []string{
				"/", "/latest", "/chart.svg?stat=mean&range=5m", "/static/page.js",
				"/series?range=1h",
			} {
				if status, _ := s.get(t, path); status != http.StatusOK {
					t.Errorf("%s answers %d", path, status)
				}
			}
		}
		all = append(all, deliver(t, s, followers, float64(windows))...)
		cancel()
		guests.Wait()
		time.Sleep(time.Until(time.Now().Truncate(width).Add(width))) // the next window
	}
	after, each := memory(), (before-empty)/crowd
	slices.Sort(all)
	t.Logf("%d clients, %d windows: delivered after %v (median), %v (99 %%), %v (last); %.0f bytes and %.1f goroutines each; memory %.1f → %.1f MB",
		crowd, windows, all[len(all)/2], all[len(all)*99/100], all[len(all)-1], each,
		float64(goroutines)/crowd, before/1e6, after/1e6)
	if last := all[len(all)-1]; last > deliveryLimit {
		t.Errorf("the last client had a window after %v, the limit is %v", last, deliveryLimit)
	}
	if each > memoryLimit {
		t.Errorf("a client costs %.0f bytes, the limit is %d", each, memoryLimit)
	}
	if n := runtime.NumGoroutine(); n > goroutines+150 || after > before*1.15+8e6 {
		t.Errorf("something grows: %d → %d goroutines, memory %.0f → %.0f", goroutines, n, before, after)
	}
}
