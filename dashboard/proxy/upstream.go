package proxy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
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
	"Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Language", "Content-Length",
	"Content-Range", "Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Pragma",
	"Retry-After", "Vary",
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

var (
	// errRedirect is Grafana's wish to send the browser elsewhere: to a login, or to another host.
	// Nothing that passes needs that.
	errRedirect = refusal{
		http.StatusBadGateway, "a redirect from Grafana: it asks for a login, or has another root address",
	}
	errPrefix = refusal{
		http.StatusBadGateway, "a panel's document from Grafana that cannot be shown under a path prefix",
	}
)

// pass sends a request to Grafana and its answer to the browser. It is not httputil.ReverseProxy,
// which carries on all that it is not told to leave (upgrades, trailers, informational answers):
// both ways there is only what is written here.
func (p *Proxy) pass(w http.ResponseWriter, r *http.Request, a answer) error {
	ctx, cancel := context.WithTimeout(r.Context(), p.cfg.limits.ResponseTime)
	defer cancel()
	// The server takes the deadline back when the request is over. A test's recorder has none.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(p.cfg.limits.ResponseTime))
	target := url.URL{
		Scheme: p.cfg.Upstream.Scheme, Host: p.cfg.Upstream.Host, Path: r.URL.Path, RawQuery: a.query,
	}
	request, err := http.NewRequestWithContext(ctx, r.Method, target.String(), bytes.NewReader(a.sent))
	if err != nil {
		return fmt.Errorf("make the request for Grafana: %w", err)
	}
	request.Host = r.Host // Grafana sees the address that the browser sees
	request.Header = only(r.Header, requestHeaders)
	switch a.decision {
	case query:
		request.Header.Set("Content-Type", "application/json")
	case solo: // it is changed on its way down
		request.Header = only(r.Header, []string{"Accept", "Accept-Language", "User-Agent"})
	}
	response, err := p.transport.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch code := response.StatusCode; {
	case code < 200:
		return fmt.Errorf("answer %d from Grafana, which nothing here asks for", code)
	case code >= 300 && code < 400 && code != http.StatusNotModified:
		return errRedirect
	}
	header := only(response.Header, responseHeaders)
	setOwnHeaders(header)
	body := io.Reader(http.MaxBytesReader(nil, response.Body, p.cfg.limits.ResponseBytes))
	if a.decision == solo && response.StatusCode == http.StatusOK {
		document, err := io.ReadAll(body)
		if err != nil {
			return fmt.Errorf("read the panel's document: %w", err)
		}
		if document, err = adapt(document, p.cfg.Prefix(r)); err != nil {
			return err
		}
		body = bytes.NewReader(document)
		header.Set("Content-Length", strconv.Itoa(len(document)))
		header.Del("Etag") // Grafana's is of its own document
	}
	maps.Copy(w.Header(), header)
	w.WriteHeader(response.StatusCode)
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler) // or the browser would take a part for the whole
	}
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
