package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strings"
	"time"

	"colorstream/influxdb/access"
)

const (
	requestTimeout = 20 * time.Second
	answerLimit    = 4 << 20
)

// client speaks InfluxDB's HTTP API. The official client library is not used
// here: its management calls lose the status code, on which much depends.
type client struct {
	base  string // without a slash at its end
	token string // "" uses the session's cookie, if there is one
	http  *http.Client
}

func newClient(at access.Config) (*client, error) {
	transport, err := at.Transport(http.DefaultTransport.(*http.Transport).Clone())
	jar, _ := cookiejar.New(nil) // fails never
	return &client{
		base: strings.TrimRight(at.URL, "/"),
		http: &http.Client{Timeout: requestTimeout, Jar: jar, Transport: transport},
	}, err
}

// with is a client of the same server that has a token instead of the session's cookie.
func (c *client) with(token string) *client {
	return &client{c.base, token, &http.Client{Timeout: requestTimeout, Transport: c.http.Transport}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// statusError is an answer other than success.
type statusError struct {
	status  int
	message string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("InfluxDB answers %d %s: %s", e.status, http.StatusText(e.status), e.message)
}

// hasStatus reports whether err is an answer with one of these statuses.
func hasStatus(err error, statuses ...int) bool {
	if e, ok := errors.AsType[*statusError](err); ok {
		if slices.Contains(statuses, e.status) {
			return true
		}
	}
	return false
}

// call sends body as JSON, unless it is nil, and reads a JSON answer into
// answer, unless that is nil.
func (c *client) call(ctx context.Context, method, path string, query url.Values, body, answer any) error {
	var content io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path+"?"+query.Encode(), content)
	if err != nil {
		return err
	}
	return c.send(req, answer)
}

func (c *client) send(req *http.Request, answer any) error {
	if c.token != "" {
		req.Header.Set("Authorization", "Token "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, answerLimit))
	if err != nil {
		return fmt.Errorf("read the answer of %s: %w", req.URL.Path, err)
	}
	if resp.StatusCode/100 != 2 {
		var problem struct{ Message string }
		if json.Unmarshal(text, &problem) != nil || problem.Message == "" {
			problem.Message = strings.TrimSpace(string(text[:min(len(text), 200)]))
		}
		return &statusError{resp.StatusCode, problem.Message}
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("understand the answer of %s: %w", req.URL.Path, err)
	}
	return nil
}
