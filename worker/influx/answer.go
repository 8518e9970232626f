package influx

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	api "github.com/influxdata/influxdb-client-go/v2/api/http"
)

// A Class is a kind of answer; see the package's table. It is fit for a metric's label.
type Class string

// The classes.
const (
	Rejected   Class = "rejected"
	TooOld     Class = "too_old"
	TooLarge   Class = "too_large"
	Denied     Class = "denied"
	Missing    Class = "missing"
	Unexpected Class = "unexpected"
	Throttled  Class = "throttled"
	Server     Class = "server"
	Network    Class = "network"
)

// Classes lists all classes.
var Classes = []Class{
	Rejected, TooOld, TooLarge, Denied, Missing, Unexpected, Throttled, Server, Network,
}

// final reports whether the same request would get the same answer for ever.
func (c Class) final() bool { return c == Rejected || c == TooOld || c == TooLarge }

// maxRetryAfter bounds what InfluxDB may ask for.
const maxRetryAfter = 2 * time.Minute

// A WriteError is an answer, or the lack of one, other than success.
type WriteError struct {
	Class Class
	// Status is the answer's, 0 without one.
	Status int
	// Message is InfluxDB's own text. It may be long.
	Message string
	// Dropped is how many lines of the request InfluxDB says that it dropped, having written the
	// others; 0 if it does not say.
	Dropped int
	// RetryAfter is how long InfluxDB asks to be left alone, 0 if it does not.
	RetryAfter time.Duration
	// Advice tells what to do, where anything can be done.
	Advice string
	Err    error
}

const maxQuoted = 300 // bytes of a message in an error

func (e *WriteError) Error() string {
	var b strings.Builder
	switch {
	case e.Status != 0:
		fmt.Fprintf(&b, "InfluxDB answers %d %s", e.Status, http.StatusText(e.Status))
	default:
		b.WriteString("InfluxDB does not answer")
	}
	if text := shorten(e.Message); text != "" {
		b.WriteString(": " + text)
	} else if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Advice != "" {
		b.WriteString(" (" + e.Advice + ")")
	}
	return b.String()
}

func (e *WriteError) Unwrap() error { return e.Err }

// Permanent reports whether nothing will change before somebody changes a configuration.
func (e *WriteError) Permanent() bool {
	return e.Class == Denied || e.Class == Missing || e.Class == Unexpected
}

// Wait is how long InfluxDB asks to be left alone.
func (e *WriteError) Wait() time.Duration { return e.RetryAfter }

// shorten makes one line of at most about maxQuoted bytes.
func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxQuoted {
		text = strings.ToValidUTF8(text[:maxQuoted], "") + "…"
	}
	return text
}

// classify makes a WriteError of what the client library returned.
func (c *Client) classify(err error, now time.Time) *WriteError {
	answer, ok := errors.AsType[*api.Error](err)
	if !ok || answer.StatusCode == 0 {
		return &WriteError{Class: Network, Err: explain(err), Advice: c.networkAdvice(err)}
	}
	e := &WriteError{
		Status: answer.StatusCode, Message: answer.Message, RetryAfter: retryAfter(answer.Header, now),
	}
	contentType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch status := answer.StatusCode; {
	case (status == 400 || status == 422) && contentType == "application/json":
		e.Dropped = dropped(e.Message)
		switch {
		case answer.Err != nil: // half an answer: who knows what it would have said
			e.Class, e.Err = Network, fmt.Errorf("the answer broke off: %w", answer.Err)
		case e.Dropped > 0 && outsideRetention.MatchString(e.Message):
			e.Class = TooOld
		default:
			e.Class = Rejected
		}
	case status == 413:
		e.Class = TooLarge
	case status == 401:
		e.Class = Denied
		e.Advice = "INFLUX_TOKEN or INFLUX_TOKEN_FILE must hold a token of the InfluxDB at " + c.address
	case status == 403:
		e.Class = Denied
		e.Advice = fmt.Sprintf(
			"the token in INFLUX_TOKEN or INFLUX_TOKEN_FILE may not write to bucket %q of organisation %q",
			c.config.Bucket, c.config.Org)
	case status == 404:
		e.Class = Missing
		e.Advice = fmt.Sprintf(
			"make bucket %q in organisation %q at %s, or change INFLUX_BUCKET, INFLUX_ORG or INFLUX_URL",
			c.config.Bucket, c.config.Org, c.address)
	case status == 408 || status == 429:
		e.Class = Throttled
	case status >= 500:
		e.Class = Server
	case status >= 300 && status < 400:
		e.Class = Unexpected
		e.Advice = fmt.Sprintf("it points to %q: set INFLUX_URL to where InfluxDB itself is",
			answer.Header.Get("Location"))
	default:
		e.Class = Unexpected
		e.Advice = "this is not InfluxDB 2's answer to a write: check INFLUX_URL, now " + c.address
	}
	return e
}

// outsideRetention finds the reason of a partial write whose points are too old:
//
//	failure writing points to database: partial write: dropped 3 points outside retention policy of
//	duration 1h0m0s - oldest point … dropped=3 for database: … for retention policy: autogen
//
// Versions before 2.8 say "partial write: points beyond retention policy dropped=3".
var outsideRetention = regexp.MustCompile(
	`partial write: (dropped \d+ points outside|points beyond) retention policy`)

// dropped reads the count of a partial write. The text before it may quote a colour.
func dropped(message string) int {
	const before = " dropped="
	i := strings.LastIndex(message, before)
	if i < 0 || !strings.Contains(message, "partial write: ") {
		return 0
	}
	count, _, _ := strings.Cut(message[i+len(before):], " ")
	n, _ := strconv.Atoi(count)
	return max(n, 0)
}

// explain drops the request's URL from an error of net/http; the rest says it better.
func explain(err error) error {
	e, ok := errors.AsType[*url.Error](err)
	switch {
	case !ok:
		return err
	case e.Timeout():
		return fmt.Errorf("no answer in time: %w", e.Err)
	}
	return e.Err
}

func (c *Client) networkAdvice(err error) string {
	if errors.Is(err, context.Canceled) {
		return ""
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
		return "check the host name in INFLUX_URL, now " + c.address
	}
	return "INFLUX_URL is " + c.address
}

// retryAfter reads the header in both its forms: seconds, or a date.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if text == "" {
		return 0
	}
	var wait time.Duration
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		wait = time.Duration(min(max(seconds, 0), maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
