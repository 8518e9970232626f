package proxy

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"time"
)

// checkedBody reads the body of a data query and returns the one that goes up, or the answer that refuses it. A
// query that is not known makes the proxy look at the dashboard again before it is refused, so that an edit is in
// force with its first query.
func (p *Proxy) checkedBody(w http.ResponseWriter, r *http.Request) ([]byte, *answer) {
	refused := func(status int, message string) ([]byte, *answer) {
		a := deny(status, message)
		return nil, &a
	}
	if err := new(http.CrossOriginProtection).Check(r); err != nil {
		return refused(http.StatusForbidden, "queries of another site's page are not permitted")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" ||
		len(r.Header["Content-Type"]) != 1 || r.Header["Content-Encoding"] != nil {
		return refused(http.StatusUnsupportedMediaType, "the body must be application/json, not compressed")
	}
	body, err := p.readBody(w, r)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return refused(http.StatusRequestEntityTooLarge, "the body is too large")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.Header().Set("Connection", "close")
		return refused(http.StatusRequestTimeout, "the body comes too slowly")
	}
	if err != nil {
		w.Header().Set("Connection", "close")
		return refused(http.StatusBadRequest, "the body cannot be read")
	}
	checker := queryChecker{dataSource: p.cfg.DataSourceUID, limits: p.cfg.Limits}
	checked, err := checker.check(body, p.watch.targets())
	if errors.Is(err, errUnknownQuery) && p.watch.refreshed(r.Context()) {
		checked, err = checker.check(body, p.watch.targets())
	}
	if err != nil {
		return refused(http.StatusForbidden, err.Error())
	}
	return checked, nil
}

func (p *Proxy) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength > p.cfg.Limits.BodyBytes {
		return nil, &http.MaxBytesError{Limit: p.cfg.Limits.BodyBytes}
	}
	// The server takes the deadline back when it has the whole body. A test's recorder has none.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(p.cfg.Limits.BodyTime))
	return io.ReadAll(http.MaxBytesReader(w, r.Body, p.cfg.Limits.BodyBytes))
}

// setBody gives a request that goes up the body, or none.
func setBody(out *http.Request, body []byte) {
	out.Header.Del("Content-Length")
	out.ContentLength, out.Body, out.GetBody = 0, http.NoBody, nil
	if body == nil {
		return
	}
	out.ContentLength = int64(len(body))
	out.Body = io.NopCloser(bytes.NewReader(body))
	out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
}
