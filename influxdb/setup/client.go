package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"time"

	"colorstream/influxdb/access"
)

const requestTimeout = 20 * time.Second

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
	return client{access.Client{
		URL: c.URL, Token: token, HTTP: &http.Client{Timeout: requestTimeout, Transport: c.HTTP.Transport},
	}}
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

// remove deletes what may be gone already.
func (c client) remove(ctx context.Context, path string) error {
	err := c.call(ctx, http.MethodDelete, path, nil, nil, nil)
	if hasStatus(err, http.StatusNotFound) {
		return nil
	}
	return err
}
