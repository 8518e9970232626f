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
			"queries": newLimiter(d.Queries, d.Queries/16, d.QueueTime),
			"fetches": newLimiter(d.Fetches, d.Fetches/10, d.QueueTime),
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
			if len(l.total) != 0 || len(l.readers) != 0 {
				t.Errorf("%s: afterwards %d slots are taken by %v", name, len(l.total), l.readers)
			}
		}
	})
}

// Over the bounds of all, and over those of its reader, a request waits for its turn, for a time.
func TestLimiterBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(3, 2, 2*time.Second)
		var all sync.WaitGroup
		began, hold := time.Now(), 3*time.Second
		try := func(reader string, leave time.Duration, want error, after time.Duration) {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if leave > 0 {
					time.AfterFunc(leave, cancel)
				}
				release, err := l.acquire(ctx, reader)
				if !errors.Is(err, want) || time.Since(began) != after {
					t.Errorf("reader %s after %v: %v; want %v after %v",
						reader, time.Since(began), err, want, after)
				}
				if err == nil {
					time.Sleep(hold)
					release()
				}
			})
			synctest.Wait()
		}
		try("a", 0, nil, 0)
		try("a", 0, nil, 0)
		try("a", 0, errBusy, 2*time.Second) // a's own slots are taken
		try("b", 0, nil, 0)
		try("c", 0, errBusy, 2*time.Second) // all are
		try("c", time.Second, context.Canceled, time.Second)
		all.Wait()
		began, hold = time.Now(), time.Second
		try("a", 0, nil, 0)
		try("a", 0, nil, 0)
		try("a", 0, nil, time.Second)
		try("b", 0, nil, 0) // although a waits
		all.Wait()
		if len(l.total) != 0 || len(l.readers) != 0 {
			t.Errorf("afterwards %d slots are taken by %v", len(l.total), l.readers)
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
