package influx

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"

	"colorstream/influxdb/access"
)

// An Error tells why a read failed.
type Error struct {
	summary string
	hint    string
	err     error
}

// Error tells an operator what is wrong and what to change.
func (e *Error) Error() string {
	text := e.summary + ": " + e.err.Error()
	if e.hint != "" {
		text += " (" + e.hint + ")"
	}
	return text
}

func (e *Error) Unwrap() error { return e.err }

// Summary is what any reader of the page may know: it has no address, no name and no secret in it.
func (e *Error) Summary() string { return e.summary }

// explain turns a client's error into one that tells what to do.
func (r *Reader) explain(ctx context.Context, err error) error {
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	hint := "is it running at INFLUX_URL=" + r.config.URL + "?"
	e := &Error{summary: "InfluxDB does not answer", hint: hint, err: err}
	if answer, ok := errors.AsType[*access.StatusError](err); ok {
		e.summary, e.hint = "InfluxDB answers with an error", ""
		unknownOrg := strings.Contains(answer.Message, "organization") // 2.8 says 500 to this
		switch {
		case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden:
			e.summary = "InfluxDB rejects the page's token"
			e.hint = fmt.Sprintf("INFLUX_TOKEN must be one that may read bucket %q of organisation %q",
				r.config.Bucket, r.config.Org)
		case answer.Status == http.StatusNotFound, unknownOrg:
			e.summary = "InfluxDB does not know the bucket or its organisation"
			e.hint = fmt.Sprintf("INFLUX_ORG=%q, INFLUX_BUCKET=%q, and INFLUX_TOKEN may read that bucket?",
				r.config.Org, r.config.Bucket)
		case answer.Status == http.StatusTooManyRequests, answer.Status == http.StatusServiceUnavailable:
			e.summary = "InfluxDB is too busy"
		}
		return e
	}
	if cause := context.Cause(ctx); cause != nil && errors.Is(cause, context.Canceled) {
		return cause // the page stops: nothing to explain
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		e.summary, e.hint = "InfluxDB's host is unknown",
			"INFLUX_URL="+r.config.URL+": there is no host "+dns.Name
	}
	netErr, isNet := errors.AsType[net.Error](err)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		e.summary = "InfluxDB does not answer: the connection is refused"
	case errors.Is(err, context.DeadlineExceeded), isNet && netErr.Timeout():
		e.summary = "InfluxDB does not answer in time"
	}
	return e
}
