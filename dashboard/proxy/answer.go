package proxy

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// An answer is what becomes of a request: what is written here, or what goes to Grafana.
type answer struct {
	decision decision

	// here and denied
	status      int
	contentType string
	body        string    // of denied: the message
	header      [2]string // one more header, if any

	// pass
	rule  *rule
	query string // the parameters that go up
	sent  []byte // the body that goes up
}

func deny(status int, message string) answer {
	return answer{decision: denied, status: status, body: message}
}

func notFound() answer { return deny(http.StatusNotFound, "not found") }

func (a answer) with(name, value string) answer {
	a.header = [2]string{name, value}
	return a
}

// label is the answer's name in the metrics; those of passed requests are in exchange.
func (a answer) label() string {
	if a.decision == here {
		return labelHere
	}
	return labelDenied
}

// write writes an answer that does not come from Grafana. Errors have the form that Grafana's scripts expect.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	setOwnHeaders(header)
	header.Set("Cache-Control", "no-store")
	if a.header[0] != "" {
		header.Set(a.header[0], a.header[1])
	}
	body := a.body
	if a.decision == denied {
		a.contentType = "text/plain; charset=utf-8"
		body += "\n"
		if strings.HasPrefix(r.URL.Path, "/api") {
			a.contentType = "application/json"
			message, err := json.Marshal(map[string]string{"message": a.body})
			if err != nil { // a string always has a JSON form
				panic(err)
			}
			body = string(message)
		}
	}
	if body != "" {
		header.Set("Content-Type", a.contentType)
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, body)
	}
}

// An exchange is a passed request on its way through httputil.ReverseProxy, which hands it from hook to hook by
// the request's context.
type exchange struct {
	answer
	label string // what the metrics call it in the end
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange {
	e, ok := ctx.Value(exchangeKey{}).(*exchange)
	if !ok {
		panic("proxy: a request reached the upstream without a decision")
	}
	return e
}

// upstreamFailed answers a passed request that got no usable answer from Grafana.
func (p *Proxy) upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	exchange, _ := r.Context().Value(exchangeKey{}).(*exchange)
	label, failed := labelFailed, deny(http.StatusBadGateway, "Grafana does not answer")
	switch {
	case errors.Is(err, errBusy):
		label, failed = labelBusy, deny(http.StatusServiceUnavailable, "too many requests at once").with("Retry-After", "1")
	case errors.Is(err, errRedirect):
		failed = deny(http.StatusBadGateway, errRedirect.Error())
	case errors.Is(err, errTooLarge):
		failed = deny(http.StatusBadGateway, errTooLarge.Error())
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		failed = deny(http.StatusGatewayTimeout, "Grafana does not answer in time")
		p.watch.look()
	case errors.Is(err, context.Canceled) && r.Context().Err() != nil:
		label = labelGone // nobody reads the answer
	default:
		p.watch.look()
	}
	p.log.Debug("a request to Grafana failed", "path", clip(r.URL.Path, 200), "error", err)
	if exchange != nil {
		exchange.label = label
	} else {
		p.metrics.requests.WithLabelValues(label).Inc()
	}
	failed.write(w, r)
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && timeout.Timeout()
}
