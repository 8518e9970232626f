package proxy

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"regexp"
	"strings"
	"time"
)

// maxPath is longer than any path of Grafana's that passes.
const maxPath = 512

func forbidden(format string, values ...any) error {
	return refusal{http.StatusForbidden, fmt.Sprintf(format, values...)}
}

// checkForm rejects a request of unusual form: no browser's panel needs such a request, and what
// two readers could read differently ends here, before anything is looked up. prefix is the page's
// own path.
func checkForm(r *http.Request, prefix string) error {
	// What the server decoded must be what the client sent, without an address in front of it.
	target, _, _ := strings.Cut(r.RequestURI, "?")
	same := target == r.URL.Path || target == prefix+r.URL.Path
	switch {
	case !same, !plainPath(r.URL.Path), len(r.URL.Path) > maxPath:
		return refusal{http.StatusBadRequest, "unusual path"}
	case r.Header["Upgrade"] != nil:
		return refusal{http.StatusBadRequest, "no upgrades here"}
	case (r.Method == http.MethodGet || r.Method == http.MethodHead) &&
		(r.ContentLength != 0 || len(r.TransferEncoding) > 0):
		return refusal{http.StatusBadRequest, "unexpected body"}
	}
	return nil
}

var plain = regexp.MustCompile(`\A(/|(/[A-Za-z0-9._~@+=-]+)+)\z`)

// plainPath reports whether a path is absolute and made of plain characters, without empty, "." or
// ".." segments. A slash at the end is an empty segment, except in "/" itself.
func plainPath(p string) bool { return path.Clean(p) == p && plain.MatchString(p) }

// readBody reads the body of a data query.
func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return nil, forbidden("queries of another site's page are not permitted")
	}
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" ||
		len(r.Header["Content-Type"]) != 1 || r.Header["Content-Encoding"] != nil {
		return nil, refusal{
			http.StatusUnsupportedMediaType, "the body must be application/json, not compressed",
		}
	}
	tooLarge := refusal{http.StatusRequestEntityTooLarge, "the body is too large"}
	if r.ContentLength > maxBody {
		return nil, tooLarge
	}
	// The server takes the deadline back when it has the whole body. A test's recorder has none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(p.cfg.limits.BodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		return body, nil
	}
	w.Header().Set("Connection", "close")
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, tooLarge
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, refusal{http.StatusRequestTimeout, "the body comes too slowly"}
	}
	return nil, refusal{http.StatusBadRequest, "the body cannot be read"}
}
