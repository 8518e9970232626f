package proxy

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Ten greedy readers, each with more queries than it may have and each query as long as Grafana may
// take, leave the eleventh a slot at once; and so again with each of its queries.
func TestGreedyReadersLeaveASlot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := defaultLimits()
		for name, l := range map[string]*limiter{
			"queries": newLimiter(d.Queries, d.Queries/8, d.Queue, d.QueueTime),
			"fetches": newLimiter(d.Fetches, d.Fetches/4, d.Queue, d.QueueTime),
		} {
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			for reader := range 10 {
				for range 200 {
					all.Go(func() {
						for ctx.Err() == nil {
							release, err := l.acquire(ctx, fmt.Sprint("greedy ", reader))
							if err != nil {
								time.Sleep(time.Duration(rand.IntN(5000)) * time.Millisecond)
								continue
							}
							time.Sleep(time.Duration(1+rand.IntN(60)) * time.Second)
							release()
						}
					})
				}
			}
			for range 100 {
				time.Sleep(time.Duration(rand.IntN(5000)) * time.Millisecond)
				began := time.Now()
				release, err := l.acquire(ctx, "eleventh")
				if took := time.Since(began); err != nil || took > 0 {
					t.Fatalf("%s: the eleventh reader waits %v, %v", name, took, err)
				}
				release()
			}
			cancel()
			all.Wait()
			if l.taken != 0 || len(l.readers) != 0 || len(l.waiting) != 0 {
				t.Errorf("%s: afterwards %d slots are taken by %v, %d wait",
					name, l.taken, l.readers, len(l.waiting))
			}
		}
	})
}

// A slot that becomes free goes to who has the fewest, then to who came first.
func TestSlotsGoAround(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(4, 2, 80, time.Hour)
		take := func(reader string) func() {
			release, err := l.acquire(t.Context(), reader)
			if err != nil {
				t.Fatal(err)
			}
			return release
		}
		var release []func()
		for _, reader := range []string{"a", "a", "b", "c"} {
			release = append(release, take(reader))
		}
		var mu sync.Mutex
		var order []string
		var all sync.WaitGroup
		for _, reader := range []string{"b", "a", "d", "e", "d"} {
			all.Go(func() {
				done := take(reader)
				mu.Lock()
				order = append(order, reader)
				mu.Unlock()
				time.Sleep(time.Minute)
				done()
			})
			synctest.Wait()
		}
		for _, done := range release {
			time.Sleep(time.Second)
			done()
			synctest.Wait()
		}
		all.Wait()
		if got := fmt.Sprint(order); got != "[d a b e d]" {
			t.Errorf("the turns came in the order %s", got)
		}
	})
}

func TestLimiterBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(1, 1, 8, time.Second)
		release, err := l.acquire(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		began := time.Now()
		for _, want := range []time.Duration{time.Second, 0, 0} { // one may wait for its second slot
			all.Go(func() {
				if _, err := l.acquire(t.Context(), "a"); !errors.Is(err, errBusy) ||
					time.Since(began) != want {
					t.Errorf("after %v: %v; want %v", time.Since(began), err, want)
				}
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			if _, err := l.acquire(ctx, "b"); !errors.Is(err, context.Canceled) {
				t.Errorf("who leaves gets %v", err)
			}
		})
		synctest.Wait()
		cancel()
		all.Wait()
		release()
		if release, err = l.acquire(t.Context(), "b"); err != nil {
			t.Errorf("afterwards: %v", err)
		} else {
			release()
		}
	})
}

func TestReaderOf(t *testing.T) {
	t.Parallel()
	check := func(remote string, trust bool, want string, header ...string) {
		t.Helper()
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		if got := readerOf(r, trust); got != want {
			t.Errorf("%s %v %q: reader %q, want %q", remote, trust, header, got, want)
		}
	}
	check("192.0.2.1:1234", false, "192.0.2.1")
	check("[::ffff:192.0.2.1]:1234", false, "192.0.2.1")
	check("[2001:db8:1:2:3:4:5:6]:1234", false, "2001:db8:1:2::/64")
	check("[2001:db8:1:2:ffff::1]:1234", false, "2001:db8:1:2::/64")
	check("@", false, "@") // a Unix socket
	check("192.0.2.1:1", false, "192.0.2.1",
		"X-Forwarded-For", "198.51.100.7", "X-Forwarded-User", "eve")
	check("192.0.2.1:1", true, "192.0.2.1")
	check("192.0.2.1:1", true, "198.51.100.7", "X-Forwarded-For", "10.0.0.1, 198.51.100.7")
	check("192.0.2.1:1", true, "198.51.100.7",
		"X-Forwarded-For", "10.0.0.1", "X-Forwarded-For", "198.51.100.7")
	check("192.0.2.1:1", true, "user eve", "X-Forwarded-For",
		"198.51.100.7", "X-Forwarded-User", "eve")
	check("192.0.2.1:1", true, "nonsense", "X-Forwarded-For", "nonsense")
}
