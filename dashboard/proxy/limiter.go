package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/sync/semaphore"
)

// errBusy is a turn that did not come in time.
var errBusy = errors.New("too many requests at once")

// A limiter bounds what is under way, in all and of each reader: requests at all, and those of them
// that Grafana is given, by kind. These wait for their turn, first among their reader's own, so
// that a few greedy readers leave slots for others.
type limiter struct {
	*limits
	mu      sync.Mutex
	all     *share
	readers map[string]*share // that have requests
}

// The kinds of what Grafana is given.
const (
	fetches = iota
	queries
)

// A share is what all readers have, or one.
type share struct {
	most, requests int
	slots          [2]*semaphore.Weighted // by kind
}

func newShare(requests, ofFetches, ofQueries int) *share {
	slots := func(n int) *semaphore.Weighted { return semaphore.NewWeighted(int64(max(1, n))) }
	return &share{
		most:  max(1, requests),
		slots: [...]*semaphore.Weighted{fetches: slots(ofFetches), queries: slots(ofQueries)},
	}
}

func newLimiter(l *limits) *limiter {
	all := newShare(l.Requests, l.Fetches, l.Queries)
	return &limiter{limits: l, all: all, readers: make(map[string]*share)}
}

// A visit is one request.
type visit struct {
	limiter *limiter
	reader  string
	own     *share
	taken   []*semaphore.Weighted
}

// enter begins a request, unless there are too many. Call leave once when it is over.
func (l *limiter) enter(reader string) (*visit, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.readers[reader]
	if own == nil {
		own = newShare(l.Requests*3/32, l.Fetches/10, l.Queries/16)
	}
	if l.all.requests == l.all.most || own.requests == own.most {
		return nil, errBusy
	}
	l.all.requests++
	own.requests++
	l.readers[reader] = own
	return &visit{limiter: l, reader: reader, own: own}, nil
}

// wait waits for a slot, once for each visit.
func (v *visit) wait(ctx context.Context, kind int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, v.limiter.QueueTime, errBusy)
	defer cancel()
	for _, slots := range []*semaphore.Weighted{v.own.slots[kind], v.limiter.all.slots[kind]} {
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
	l := v.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.requests--
	if v.own.requests--; v.own.requests == 0 {
		delete(l.readers, v.reader)
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
