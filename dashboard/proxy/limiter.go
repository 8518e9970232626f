package proxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// errBusy is a turn that did not come in time.
var errBusy = errors.New("too many requests at once")

// A limiter bounds how many requests are under way, in all and of each reader. The others wait for
// their turn, first among their reader's own, so that a few greedy readers leave slots for others.
type limiter struct {
	total chan struct{} // has an element for each slot that is taken
	each  int           // slots that one reader may have
	wait  time.Duration

	mu      sync.Mutex
	readers map[string]*share
}

// A share is what one reader has of the slots.
type share struct {
	slots    chan struct{}
	requests int // that have a slot or wait for one
}

func newLimiter(total, each int, wait time.Duration) *limiter {
	return &limiter{
		total: make(chan struct{}, total), each: max(1, each), wait: wait,
		readers: make(map[string]*share),
	}
}

// acquire waits for a slot. Call release once to give it back.
func (l *limiter) acquire(ctx context.Context, reader string) (release func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, l.wait, errBusy)
	defer cancel()
	own := l.join(reader)
	if err := take(ctx, own.slots); err != nil {
		l.leave(reader)
		return nil, err
	}
	if err := take(ctx, l.total); err != nil {
		<-own.slots
		l.leave(reader)
		return nil, err
	}
	return func() {
		<-l.total
		<-own.slots
		l.leave(reader)
	}, nil
}

// take prefers a slot that is free to an end of ctx.
func take(ctx context.Context, slots chan struct{}) error {
	select {
	case slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *limiter) join(reader string) *share {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.readers[reader]
	if own == nil {
		own = &share{slots: make(chan struct{}, l.each)}
		l.readers[reader] = own
	}
	own.requests++
	return own
}

func (l *limiter) leave(reader string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	own := l.readers[reader]
	if own.requests--; own.requests == 0 {
		delete(l.readers, reader)
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
