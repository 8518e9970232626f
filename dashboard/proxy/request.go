package proxy

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

const (
	maxPath  = 512  // longer than any path of Grafana's that passes
	maxQuery = 2048 // longer than any query string of Grafana's that matters here
)

// unusual says what is unusual about a request, or "": no browser's panel needs such a request, and
// what two readers could read differently ends here, before anything is looked up. prefix is the
// page's own path.
func unusual(r *http.Request, prefix string) string {
	// What the server decoded must be what the client sent.
	target, _, _ := strings.Cut(r.RequestURI, "?")
	sameTarget := target == r.URL.Path || target == prefix+r.URL.Path
	switch {
	case r.Method == http.MethodConnect, r.URL.Scheme != "", r.URL.Host != "", r.URL.Opaque != "", r.URL.User != nil:
		return "this is not a proxy for other addresses"
	case !plainPath(r.URL.Path), r.URL.RawPath != "", r.URL.Fragment != "", r.RequestURI != "" &&
		!sameTarget:
		return "unusual path"
	case len(r.URL.RawQuery) > maxQuery:
		return "parameters too long"
	case r.Header["Upgrade"] != nil || hasToken(r.Header["Connection"], "upgrade"):
		return "no upgrades here"
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		(r.ContentLength != 0 || len(r.TransferEncoding) > 0):
		return "unexpected body"
	}
	return ""
}

var plain = regexp.MustCompile(`\A(/|(/[A-Za-z0-9._~@+=-]+)+)\z`)

// plainPath reports whether a path is absolute and made of plain characters, without empty, "." or
// ".." segments. A slash at the end is an empty segment, except in "/" itself.
func plainPath(p string) bool { return path.Clean(p) == p && plain.MatchString(p) }

func hasToken(values []string, token string) bool {
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		if strings.EqualFold(strings.TrimSpace(part), token) {
			return true
		}
	}
	return false
}

// readBody reads the body of a data query, or returns the answer that rejects it.
func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *answer) {
	reject := func(status int, message string) ([]byte, *answer) {
		return nil, &answer{status: status, body: message}
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return reject(http.StatusForbidden, "queries of another site's page are not permitted")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" ||
		len(r.Header["Content-Type"]) != 1 || r.Header["Content-Encoding"] != nil {
		return reject(http.StatusUnsupportedMediaType,
			"the body must be application/json, not compressed")
	}
	if r.ContentLength > maxBody {
		return reject(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	// The server takes the deadline back when it has the whole body. A test's recorder has none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(p.cfg.limits.BodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return body, nil
	}
	w.Header().Set("Connection", "close")
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return reject(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return reject(http.StatusRequestTimeout, "the body comes too slowly")
	}
	return reject(http.StatusBadRequest, "the body cannot be read")
}
