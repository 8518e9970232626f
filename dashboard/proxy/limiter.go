package proxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"
)

// errBusy is a turn that did not come in time.
var errBusy = refusal{http.StatusServiceUnavailable, "too many requests at once"}

// A limiter bounds what Grafana is given at a time, in all and of each reader. Requests wait for
// their turn, first among their reader's own, so that a few greedy readers leave slots for others.
type limiter struct {
	*limits
	slots   *semaphore.Weighted
	mu      sync.Mutex
	readers map[string]*share // of those that have requests; guarded by mu
}

// A share is one reader's.
type share struct {
	slots    *semaphore.Weighted
	requests int // guarded by the limiter's mu
}

func newLimiter(l *limits) *limiter {
	return &limiter{
		limits: l, slots: semaphore.NewWeighted(l.Slots), readers: make(map[string]*share),
	}
}

// A visit is one request.
type visit struct {
	*limiter
	reader string
	own    *share
	taken  []*semaphore.Weighted
}

// enter begins a request, unless its reader has too many. Call leave once when it is over.
func (l *limiter) enter(reader string) (*visit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.readers[reader]
	if own == nil {
		own = &share{slots: semaphore.NewWeighted(l.ReaderSlots)}
		l.readers[reader] = own
	}
	if own.requests == l.Requests {
		return nil, errBusy
	}
	own.requests++
	return &visit{limiter: l, reader: reader, own: own}, nil
}

// wait waits for a slot, once for each visit.
func (v *visit) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, v.QueueTime, errBusy)
	defer cancel()
	for _, slots := range []*semaphore.Weighted{v.own.slots, v.slots} {
		if slots.Acquire(ctx, 1) != nil {
			return context.Cause(ctx)
		}
		v.taken = append(v.taken, slots)
	}
	return nil
}

// leave gives back what the request had.
func (v *visit) leave() {
	for _, slots := range v.taken {
		slots.Release(1)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.own.requests--; v.own.requests == 0 {
		delete(v.readers, v.reader)
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
