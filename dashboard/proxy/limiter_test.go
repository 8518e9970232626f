package proxy

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Over the bounds of all, and over those of its reader, a request waits for its turn, for a time.
func TestLimiterBounds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLimiter(&limits{Requests: 6, ReaderSlots: 3, Slots: 5, QueueTime: 2 * time.Second})
		var all sync.WaitGroup
		began, hold := time.Now(), 3*time.Second
		try := func(reader string, leave time.Duration, want error, after time.Duration) {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if leave > 0 {
					time.AfterFunc(leave, cancel)
				}
				v, err := l.enter(reader)
				if err == nil {
					defer v.leave()
					err = v.wait(ctx)
				}
				if !errors.Is(err, want) || time.Since(began) != after {
					t.Errorf("reader %s after %v: %v; want %v after %v",
						reader, time.Since(began), err, want, after)
				}
				if err == nil {
					time.Sleep(hold)
				}
			})
			synctest.Wait()
		}
		for range 3 {
			try("a", 0, nil, 0)
		}
		for range 3 { // a's own slots are taken
			try("a", 0, errBusy, 2*time.Second)
		}
		try("a", 0, errBusy, 0) // it has six requests
		try("b", 0, nil, 0)     // although a waits
		try("c", 0, nil, 0)
		try("d", 0, errBusy, 2*time.Second) // all are taken
		try("e", time.Second, context.Canceled, time.Second)
		all.Wait()
		began, hold = time.Now(), time.Second
		for i := range 6 {
			try("a", 0, nil, time.Duration(i/3)*time.Second)
		}
		all.Wait()
		if len(l.readers) != 0 || !l.slots.TryAcquire(l.Slots) {
			t.Errorf("afterwards requests of %v are under way", l.readers)
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
