package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// errBusy is a full queue, or a turn that did not come in time.
var errBusy = errors.New("too many requests at once")

// A limiter bounds how many requests are under way, in all and of each reader. The others wait for
// their turn, a bounded number for a bounded time. The first half of the slots is for whoever
// comes; of the second half a reader gets one only while it has none, so that a few greedy readers
// leave slots for others. A slot that becomes free goes to the waiting reader that has the fewest.
type limiter struct {
	total int // slots
	each  int // slots that one reader may have
	queue int // requests that may wait; of one reader an eighth
	wait  time.Duration

	mu      sync.Mutex
	taken   int
	readers map[string]int // slots taken by each reader
	waiting []*waiter      // in order of arrival
}

type waiter struct {
	reader string
	turn   chan struct{} // closed when the slot is the waiter's
}

func newLimiter(total, each, queue int, wait time.Duration) *limiter {
	return &limiter{total: total, each: each, queue: queue, wait: wait, readers: make(map[string]int)}
}

// acquire waits for a slot. Call release once to give it back.
func (l *limiter) acquire(ctx context.Context, reader string) (release func(), err error) {
	release = func() { l.release(reader) }
	l.mu.Lock()
	if l.free(reader) {
		l.take(reader)
		l.mu.Unlock()
		return release, nil
	}
	own := 0
	for _, other := range l.waiting {
		if other.reader == reader {
			own++
		}
	}
	if len(l.waiting) >= l.queue || own >= (l.queue+7)/8 {
		l.mu.Unlock()
		return nil, errBusy
	}
	w := &waiter{reader, make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.mu.Unlock()

	timeout := time.NewTimer(l.wait)
	defer timeout.Stop()
	err = errBusy
	select {
	case <-w.turn:
		return release, nil
	case <-timeout.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	l.mu.Lock()
	i := slices.Index(l.waiting, w)
	if i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	}
	l.mu.Unlock()
	if i < 0 { // the turn came in the same moment
		return release, nil
	}
	return nil, err
}

// free reports whether a reader may take a slot now. The caller holds the mutex, as for take.
func (l *limiter) free(reader string) bool {
	own := l.readers[reader]
	return l.taken < l.total && own < l.each && (own == 0 || l.taken < (l.total+1)/2)
}

func (l *limiter) take(reader string) {
	l.taken++
	l.readers[reader]++
}

func (l *limiter) release(reader string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken--
	if l.readers[reader]--; l.readers[reader] == 0 {
		delete(l.readers, reader)
	}
	for {
		next := -1
		for i, w := range l.waiting {
			if l.free(w.reader) && (next < 0 || l.readers[w.reader] < l.readers[l.waiting[next].reader]) {
				next = i
			}
		}
		if next < 0 {
			return
		}
		l.take(l.waiting[next].reader)
		close(l.waiting[next].turn)
		l.waiting = slices.Delete(l.waiting, next, next+1)
	}
}

// readerOf names who a request counts for: an IPv4 address or an IPv6 network of 64 bits, which one
// reader has whole. A trusted proxy in front names the address, and perhaps the user, in headers
// that it sets itself.
func readerOf(r *http.Request, trustProxy bool) string {
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	if trustProxy {
		if user := r.Header.Get("X-Forwarded-User"); user != "" {
			return "user " + user
		}
		if all := r.Header["X-Forwarded-For"]; len(all) > 0 {
			last := all[len(all)-1]
			address = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
		}
	}
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, err := ip.Prefix(64)
	if err != nil { // 64 bits are not too many
		panic(err)
	}
	return network.String()
}
