package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strconv"
	"time"
)

// requestHeaders are all that Grafana gets of a browser's headers. Missing on purpose, among
// others: Cookie and Authorization (an administrator's session, sent here because cookies do not
// know ports); X-WEBAUTH-USER, X-JWT-Assertion and their like, which Grafana can be configured to
// believe; X-Grafana-Org-Id and all other X-Grafana-*; X-Forwarded-* and Forwarded;
// X-HTTP-Method-Override; Origin and Referer, which without a cookie decide nothing.
var requestHeaders = []string{
	"Accept", "Accept-Encoding", "Accept-Language", "If-Modified-Since", "If-None-Match",
	"If-Range", "Range", "User-Agent",
}

// responseHeaders are all that a browser gets of Grafana's headers. Missing on purpose, among
// others: Set-Cookie, WWW-Authenticate (a password prompt in our name), Location, Refresh,
// Clear-Site-Data, Alt-Svc, X-Frame-Options (the page embeds the panel), Content-Security-Policy
// and Report-To (replaced below).
var responseHeaders = []string{
	"Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Language", "Content-Length", "Content-Range",
	"Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Pragma", "Retry-After", "Vary",
}

func only(header http.Header, names []string) http.Header {
	kept := make(http.Header, len(names))
	for _, name := range names {
		if values, ok := header[name]; ok {
			kept[name] = values
		}
	}
	return kept
}

// setOwnHeaders sets what is on every answer. Only our own page may frame what comes from here.
func setOwnHeaders(header http.Header) {
	header.Set("Content-Security-Policy", "frame-ancestors 'self'")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "same-origin")
}

// rewrite makes the request that goes up: from the rule and what was checked, not from what came.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest, a *answer) {
	out := pr.Out
	out.URL.RawQuery = a.query
	pr.SetURL(p.cfg.Upstream)
	out.Host = pr.In.Host // Grafana sees the address that the browser sees
	out.Header = only(pr.In.Header, requestHeaders)
	out.Trailer, out.TransferEncoding, out.Close = nil, nil, false
	out.ContentLength, out.Body, out.GetBody = 0, http.NoBody, nil
	switch {
	case a.rule.decision == query:
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(a.sent)), nil }
		out.Body, _ = out.GetBody()
		out.ContentLength = int64(len(a.sent))
		out.Header.Set("Content-Type", "application/json")
	case a.rule.decision == solo: // changed on its way down
		for _, name := range []string{"Accept-Encoding", "If-Modified-Since", "If-None-Match", "If-Range", "Range"} {
			out.Header.Del(name)
		}
	}
}

var (
	// errRedirect is Grafana's wish to send the browser elsewhere: to a login, or to another host.
	// Nothing that passes needs that.
	errRedirect = errors.New("a redirect from Grafana: it asks for a login, or has another root address")
	errPrefix   = errors.New("a panel's document from Grafana that cannot be shown under a path prefix")
)

// modifyResponse makes the answer that goes down.
func (p *Proxy) modifyResponse(response *http.Response, a *answer) error {
	switch code := response.StatusCode; {
	case code < 200:
		return fmt.Errorf("answer %d from Grafana, which nothing here asks for", code)
	case code >= 300 && code < 400 && code != http.StatusNotModified:
		return errRedirect
	}
	response.Header = only(response.Header, responseHeaders)
	setOwnHeaders(response.Header)
	if a.rule.decision != solo || response.StatusCode != http.StatusOK {
		return nil
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("read the panel's document: %w", err)
	}
	response.Body.Close()
	if body, err = adapt(body, p.cfg.Prefix(response.Request)); err != nil {
		return err
	}
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	response.Header.Del("Etag") // Grafana's is of its own document
	return nil
}

// adapt changes a panel's document. Grafana's scripts learn that there is no Live, whose WebSocket
// they would else try again and again, and the path under which all of Grafana's paths begin: they
// take it for a sub-path that Grafana itself is served from.
func adapt(document []byte, prefix string) ([]byte, error) {
	document = bytes.Replace(document, []byte(`"liveEnabled":true`), []byte(`"liveEnabled":false`), 1)
	if prefix == "" {
		return document, nil
	}
	if !plainPath(prefix) {
		return nil, errPrefix
	}
	for _, place := range []string{`<base href="%s/"`, `"appSubUrl":"%s"`} {
		old := fmt.Appendf(nil, place, "")
		if bytes.Count(document, old) != 1 {
			return nil, errPrefix
		}
		document = bytes.Replace(document, old, fmt.Appendf(nil, place, prefix), 1)
	}
	return document, nil
}

// fail answers a request that may pass and got no usable answer from Grafana, and returns what became
// of it.
func (p *Proxy) fail(w http.ResponseWriter, r *http.Request, err error) (label string) {
	label, failed := labelFailed, answer{status: http.StatusBadGateway, body: "Grafana does not answer"}
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case errors.Is(err, errBusy):
		label, failed = labelBusy, answer{status: http.StatusServiceUnavailable, body: err.Error()}
		w.Header().Set("Retry-After", "1")
	case errors.Is(err, errRedirect), errors.Is(err, errPrefix):
		failed.body = err.Error()
	case tooLarge:
		failed.body = "an answer from Grafana that is too large"
	case isTimeout(err):
		failed = answer{status: http.StatusGatewayTimeout, body: "Grafana does not answer in time"}
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		label = labelGone // nobody reads the answer
	}
	p.log.Debug("a request to Grafana failed", "path", r.URL.Path, "error", err)
	failed.write(w, r)
	return label
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}

// A transport takes nothing of a request's context but its end, and bounds an answer.
type transport struct {
	*http.Transport
	most int64 // bytes of an answer
}

func newTransport(l *limits) transport {
	dialer := &net.Dialer{Timeout: 2 * time.Second}
	// No Proxy: the environment does not decide where the browsers' requests go.
	return transport{&http.Transport{
		DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second,
		ResponseHeaderTimeout: l.HeaderTime, IdleConnTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: 16, MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
	}, l.ResponseBytes}
}

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.Transport.RoundTrip(r.WithContext(bare{r.Context()}))
	if err != nil {
		return nil, err
	}
	copied := *response // trailers that come later have no way down
	copied.Trailer, copied.Request = nil, r
	copied.Body = http.MaxBytesReader(nil, response.Body, t.most)
	return &copied, nil
}

// A bare context has no values: a trace in it would pass on informational answers (1xx) unseen by
// modifyResponse.
type bare struct{ context.Context }

func (bare) Value(any) any { return nil }
