package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"

	"colorstream/generator/certs"
	"colorstream/influxdb/access"
)

const (
	requestTimeout = 20 * time.Second
	probeTimeout   = 3 * time.Second
	probeInterval  = 250 * time.Millisecond
)

// client speaks InfluxDB's HTTP API, with a token or the session's cookie. The official client
// library is not used here: its management calls lose the status code, on which much depends.
type client struct{ access.Client }

func newClient(at access.Config) (client, error) {
	transport, err := at.Transport(http.DefaultTransport.(*http.Transport).Clone())
	jar, _ := cookiejar.New(nil) // fails never
	return client{access.Client{
		URL: at.URL, HTTP: &http.Client{Timeout: requestTimeout, Jar: jar, Transport: transport},
	}}, err
}

// with is a client of the same server that has a token instead of the session's cookie.
func (c client) with(token string) client {
	http := *c.HTTP
	http.Jar = nil
	return client{access.Client{URL: c.URL, Token: token, HTTP: &http}}
}

// hasStatus reports whether err is an answer with one of these statuses.
func hasStatus(err error, statuses ...int) bool {
	e, ok := errors.AsType[*access.StatusError](err)
	return ok && slices.Contains(statuses, e.Status)
}

// call sends body as JSON, unless it is nil, and reads a JSON answer into answer, unless that is
// nil.
func (c client) call(
	ctx context.Context, method, path string, query url.Values, body, answer any,
) error {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return err
		}
	}
	text, err := c.Call(ctx, method, path+"?"+query.Encode(), "", content)
	if err == nil && answer != nil {
		if err = json.Unmarshal(text, answer); err != nil {
			err = fmt.Errorf("understand the answer of %s: %w", path, err)
		}
	}
	return err
}

// A resource is what the API lists: an organisation, a bucket, a token or a scraper.
type resource struct {
	ID, OrgID, Name string
	Description     string // a token's
	URL, BucketID   string // a scraper's
	RetentionRules  []struct{ EverySeconds int64 }
}

// list gives what the client's token or session may see. One page is enough for all uses here.
func (c client) list(ctx context.Context, path string, query url.Values) ([]resource, error) {
	var found struct{ Orgs, Buckets, Authorizations, Configurations []resource }
	err := c.call(ctx, http.MethodGet, path, query, nil, &found)
	if hasStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	return slices.Concat(found.Orgs, found.Buckets, found.Authorizations, found.Configurations), err
}

// remove deletes a resource.
func (c client) remove(ctx context.Context, path string) error {
	return c.call(ctx, http.MethodDelete, path, nil, nil, nil)
}

var errNotInfluxDB = errors.New("what answers is not InfluxDB 2")

// wait returns when an InfluxDB 2 answers, and tells whether it is new. Nobody there is what it
// waits for, until the timeout, and tells once; something else there is an error at once.
func (c client) wait(
	ctx context.Context, log *slog.Logger, timeout time.Duration,
) (isNew bool, err error) {
	waiting, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var reason error // why there was no good answer so far
	for {
		isNew, err := c.probe(waiting)
		switch {
		case err == nil, errors.Is(err, errNotInfluxDB), errors.Is(err, certs.ErrRejected):
			return isNew, err
		case reason == nil:
			reason = err
			log.Info("waiting for InfluxDB", "url", redacted(c.URL), "reason", err)
		case waiting.Err() == nil: // else it says only that the time is up
			reason = err
		}
		select {
		case <-time.After(probeInterval):
		case <-waiting.Done():
			return false, fmt.Errorf("waited %v (INFLUX_TIMEOUT): it does not answer: %w", timeout, reason)
		}
	}
}

// probe asks whether the server is to be set up. Only InfluxDB 2 can tell.
func (c client) probe(ctx context.Context) (isNew bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	text, err := c.Call(ctx, http.MethodGet, "/api/v2/setup", "", nil)
	answer, isStatus := errors.AsType[*access.StatusError](err)
	var setup struct{ Allowed *bool }
	switch {
	case isStatus && answer.Status < 500:
		return false, fmt.Errorf("%w: %w", errNotInfluxDB, err)
	case err != nil: // nobody is there, or it, or a proxy before it, is starting
		return false, err
	case json.Unmarshal(text, &setup) != nil || setup.Allowed == nil:
		return false, fmt.Errorf("%w: it says %.60q", errNotInfluxDB, text)
	}
	return *setup.Allowed, nil
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an unreadable address"
	}
	return u.Redacted()
}
