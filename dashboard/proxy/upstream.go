package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"
)

// An upstream is the way to Grafana: an http.RoundTripper that shares transfers between equal requests, keeps
// answers, and bounds how many requests are under way and how much each may take.
type upstream struct {
	cfg       Config
	metrics   *metrics
	transport *http.Transport
	queries   *gate
	fetches   *gate
	store     *store
	flights   singleflight.Group

	// ctx is the parent of every request to Grafana. close ends it and waits for the flights.
	ctx    context.Context
	cancel context.CancelFunc
	mu     sync.Mutex // guards closed, and Add against Wait
	closed bool
	shared sync.WaitGroup
}

var (
	errTooLarge = errors.New("an answer from Grafana that is too large")
	errClosed   = errors.New("the proxy is stopping")
)

func newUpstream(cfg Config, m *metrics) *upstream {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	u := &upstream{
		cfg: cfg, metrics: m,
		transport: &http.Transport{ // no Proxy: the environment does not decide where the browsers' requests go
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second,
			ResponseHeaderTimeout: cfg.Limits.HeaderTime, IdleConnTimeout: 30 * time.Second,
			MaxIdleConnsPerHost: 16, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
		},
		queries: newGate(cfg.Limits.Queries, cfg.Limits.Queue, cfg.Limits.QueueTime),
		fetches: newGate(cfg.Limits.Fetches, cfg.Limits.Queue, cfg.Limits.QueueTime),
		store:   newStore(cfg.Limits.CacheBytes),
	}
	u.ctx, u.cancel = context.WithCancel(context.Background())
	return u
}

func (u *upstream) close() {
	u.mu.Lock()
	u.closed = true
	u.mu.Unlock()
	u.cancel()
	u.shared.Wait()
	u.transport.CloseIdleConnections()
}

// RoundTrip answers one request that the proxy let pass.
func (u *upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	exchange := exchangeOf(r.Context())
	if exchange.rule.sharing == alone || r.Method == http.MethodHead || conditional(r.Header) {
		return u.stream(r)
	}
	key := sharedKey(r, exchange.sent)
	if kept, ok := u.store.get(key, time.Now()); ok {
		exchange.label = labelShared
		return kept.response(r), nil
	}
	got, own, err := u.fly(r, key, exchange)
	if errors.Is(err, errTooLarge) && exchange.sent == nil {
		return u.stream(r)
	}
	if err != nil {
		return nil, err
	}
	if !own {
		exchange.label = labelShared
	}
	return got.response(r), nil
}

// conditional requests get an answer that fits only who asked.
func conditional(header http.Header) bool {
	for _, name := range []string{"If-Modified-Since", "If-None-Match", "If-Range", "Range"} {
		if header[name] != nil {
			return true
		}
	}
	return false
}

// sharedKey names what decides the answer to a shared request: fly sends nothing else of it.
func sharedKey(r *http.Request, body []byte) string {
	return r.Method + " " + r.URL.Path + "?" + r.URL.RawQuery + "\n" + r.Header.Get("Accept-Encoding") + "\n" + string(body)
}

// fly fetches a shared answer, or waits for the one that another request fetches; own tells which. The transfer
// goes on if the browser that began it leaves, for those who wait with it.
func (u *upstream) fly(r *http.Request, key string, e *exchange) (got *kept, own bool, err error) {
	first := false
	landed := u.flights.DoChan(key, func() (any, error) {
		first = true
		if !u.begin() {
			return nil, errClosed
		}
		defer u.shared.Done()
		return u.fetch(r, key, e)
	})
	select {
	case result := <-landed:
		if result.Err != nil {
			return nil, first, result.Err
		}
		return result.Val.(*kept), first, nil
	case <-r.Context().Done():
		return nil, false, context.Cause(r.Context())
	}
}

// begin counts a transfer that close waits for, unless close was called.
func (u *upstream) begin() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.closed {
		u.shared.Add(1)
	}
	return !u.closed
}

func (u *upstream) fetch(r *http.Request, key string, e *exchange) (*kept, error) {
	out := r.Clone(u.ctx)
	out.Host = ""
	out.Header = only(r.Header, []string{"Accept-Encoding", "Content-Type"})
	out.Header.Set("User-Agent", userAgent)
	setBody(out, e.sent)
	response, err := u.stream(out)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	k, err := keep(response, u.cfg.Limits.SharedBytes)
	if err != nil {
		return nil, err
	}
	if life := lifetime(e.rule.sharing, k); life > 0 {
		u.store.put(key, k, time.Now().Add(life))
	}
	return k, nil
}

// userAgent names the proxy where a request is its own.
const userAgent = "colorstream-dashboard"

// stream sends a request and returns its answer as it comes. The answer's body holds a place in the gate until it
// is closed. The request's context ends the transfer, but nothing else of it goes along: httputil.ReverseProxy
// would pass on informational answers (1xx) unseen by modifyResponse.
func (u *upstream) stream(r *http.Request) (*http.Response, error) {
	gate, kind := u.fetches, "fetch"
	if r.Method == http.MethodPost {
		gate, kind = u.queries, "query"
	}
	ctx, cancel := context.WithTimeout(u.ctx, u.cfg.Limits.ResponseTime)
	stop := context.AfterFunc(r.Context(), cancel)
	end := func() { stop(); cancel() }
	leave, err := gate.enter(ctx)
	if err != nil {
		end()
		return nil, err
	}
	began := time.Now()
	response, err := u.transport.RoundTrip(r.WithContext(ctx))
	u.metrics.upstream.WithLabelValues(kind).Observe(time.Since(began).Seconds())
	if err != nil {
		leave()
		end()
		return nil, fmt.Errorf("ask Grafana: %w", err)
	}
	if response.ContentLength > u.cfg.Limits.ResponseBytes {
		response.Body.Close()
		leave()
		end()
		return nil, errTooLarge
	}
	return &http.Response{ // a copy, so that trailers that come later have no way down
		Status: response.Status, StatusCode: response.StatusCode, Proto: response.Proto,
		ProtoMajor: response.ProtoMajor, ProtoMinor: response.ProtoMinor,
		Header: response.Header, ContentLength: response.ContentLength, Request: r,
		Body: &boundedBody{
			ReadCloser: response.Body, left: u.cfg.Limits.ResponseBytes,
			done: sync.OnceFunc(func() { leave(); end() }),
		},
	}, nil
}

// A boundedBody fails when more comes than it may hold.
type boundedBody struct {
	io.ReadCloser
	left int64
	done func()
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

func (b *boundedBody) Close() error {
	defer b.done()
	return b.ReadCloser.Close()
}
