package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
)

// requestHeaders are all that Grafana gets of a browser's headers. Missing on purpose, among others: Cookie and
// Authorization (an administrator's session, sent here because cookies do not know ports); X-WEBAUTH-USER,
// X-JWT-Assertion and their like, which Grafana can be configured to believe; X-Grafana-Org-Id and all other
// X-Grafana-*; X-Forwarded-* and Forwarded; X-HTTP-Method-Override; Origin and Referer, which without a cookie
// decide nothing.
var requestHeaders = []string{"Accept", "Accept-Language", "If-Modified-Since", "If-None-Match", "If-Range", "Range", "User-Agent"}

// responseHeaders are all that a browser gets of Grafana's headers. Missing on purpose, among others: Set-Cookie,
// WWW-Authenticate (a password prompt in our name), Location, Refresh, Clear-Site-Data, Alt-Svc, X-Frame-Options
// (the page embeds the panel), Content-Security-Policy and Report-To (replaced below).
var responseHeaders = []string{
	"Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Language", "Content-Length", "Content-Range",
	"Content-Type", "Date", "Etag", "Expires", "Last-Modified", "Pragma", "Retry-After", "Vary",
}

// ownHeaders are on every answer, passed or our own. Only our own page may frame what comes from here.
var ownHeaders = [][2]string{
	{"Content-Security-Policy", "frame-ancestors 'self'"},
	{"X-Content-Type-Options", "nosniff"},
	{"Referrer-Policy", "same-origin"},
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

// rewrite makes the request that goes up: from the rule and what was checked, not from what came.
func (p *Proxy) rewrite(pr *httputil.ProxyRequest) {
	exchange := exchangeOf(pr.In.Context())
	out := pr.Out
	out.URL.RawQuery = exchange.query
	pr.SetURL(p.cfg.Upstream)
	out.Host = pr.In.Host // Grafana sees the address that the browser sees
	out.Header = only(pr.In.Header, requestHeaders)
	if acceptsGzip(pr.In.Header) && exchange.rule.check != checkSolo { // modifyResponse reads the panel's document
		out.Header.Set("Accept-Encoding", "gzip")
	}
	out.Trailer, out.TransferEncoding, out.Close = nil, nil, false
	setBody(out, exchange.sent)
	if exchange.sent != nil {
		out.Header.Set("Content-Type", "application/json")
	}
}

func acceptsGzip(header http.Header) bool {
	for part := range strings.SplitSeq(strings.Join(header["Accept-Encoding"], ","), ",") {
		name, parameter, _ := strings.Cut(part, ";")
		if !strings.EqualFold(strings.TrimSpace(name), "gzip") {
			continue
		}
		quality, weighted := strings.CutPrefix(strings.TrimSpace(parameter), "q=")
		weight, err := strconv.ParseFloat(quality, 64)
		return !weighted || err == nil && weight > 0
	}
	return false
}

// errRedirect is Grafana's wish to send the browser elsewhere: to a login, or to another host. Nothing that passes
// needs that.
var errRedirect = errors.New("a redirect from Grafana: it asks for a login, or has another root address")

// modifyResponse makes the answer that goes down.
func (p *Proxy) modifyResponse(response *http.Response) error {
	switch code := response.StatusCode; {
	case code < 200:
		return fmt.Errorf("answer %d from Grafana, which nothing here asks for", code)
	case code >= 300 && code < 400 && code != http.StatusNotModified:
		return errRedirect
	}
	response.Header = only(response.Header, responseHeaders)
	setOwnHeaders(response.Header)
	if exchangeOf(response.Request.Context()).rule.check == checkSolo && response.StatusCode == http.StatusOK {
		return silenceLive(response)
	}
	return nil
}

// silenceLive tells Grafana's scripts in a panel's document that Grafana has no Live. They would else try its
// WebSocket, which the proxy denies, again and again.
func silenceLive(response *http.Response) error {
	const most = 4 << 20
	body, err := io.ReadAll(io.LimitReader(response.Body, most+1))
	if err != nil {
		return fmt.Errorf("read the panel's document: %w", err)
	}
	if len(body) > most {
		return errTooLarge
	}
	if err := response.Body.Close(); err != nil {
		return fmt.Errorf("read the panel's document: %w", err)
	}
	body = bytes.ReplaceAll(body, []byte(`"liveEnabled":true`), []byte(`"liveEnabled":false`))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Set("Content-Length", strconv.Itoa(len(body)))
	response.Header.Del("Etag") // Grafana's is of its own document
	return nil
}

func setOwnHeaders(header http.Header) {
	for _, h := range ownHeaders {
		header.Set(h[0], h[1])
	}
}
