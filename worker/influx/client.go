package influx

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"

	"colorstream/influxdb/access"
)

// DefaultTimeout is how long one request may take. One of 5000 lines takes InfluxDB a fraction of a
// second, or some seconds when all series are new and the machine is busy.
const DefaultTimeout = 10 * time.Second

// maxAnswer bounds what is read of an answer: InfluxDB quotes up to 5000 rejected lines.
const maxAnswer = 4 << 20

// Config says where points go.
type Config struct {
	access.Config
	Token string
	// Timeout is how long one request may take; 0 means DefaultTimeout.
	Timeout time.Duration
}

// A Client writes to one bucket. It is safe for concurrent use.
type Client struct {
	config  Config
	address string // the URL without a password
	http    *http.Client
	api     api.WriteAPIBlocking
}

// New returns a Client. It connects at the first write. An error names the variable.
func New(config Config) (*Client, error) {
	if config.Timeout == 0 {
		config.Timeout = DefaultTimeout
	}
	if err := config.Validate(); err != nil {
		return nil, err
	}
	if strings.ContainsFunc(config.Token, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errors.New("INFLUX_TOKEN holds a character that no token has, such as a line break")
	}
	u, err := url.Parse(config.URL)
	if err != nil {
		return nil, err
	}
	dialer := net.Dialer{Timeout: config.Timeout / 2, KeepAlive: 15 * time.Second}
	transport, err := config.Transport(&http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    config.Timeout / 2,
		MaxIdleConns:           2,
		MaxConnsPerHost:        2,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
	})
	if err != nil {
		return nil, err
	}
	httpClient := &http.Client{
		Transport: limited{transport},
		Timeout:   config.Timeout,
		// A redirected POST would become a GET, and its success would be taken for the write's.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	options := influxdb2.DefaultOptions().
		SetHTTPClient(httpClient).
		SetUseGZip(true).
		SetApplicationName("colorstream-worker").
		SetLogLevel(0) // errors only, and the blocking API logs none
	client := influxdb2.NewClientWithOptions(config.URL, config.Token, options)
	return &Client{
		config: config, address: u.Redacted(), http: httpClient,
		api: client.WriteAPIBlocking(config.Org, config.Bucket),
	}, nil
}

// Write sends lines, separated by line breaks, in one request. Its error is nil, ctx's, or a
// [*WriteError].
func (c *Client) Write(ctx context.Context, lines []byte) error {
	err := c.api.WriteRecord(ctx, string(lines))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return c.classify(err, time.Now())
}

// Check tries whether points can be written, without writing any.
func (c *Client) Check(ctx context.Context) error {
	return c.Write(ctx, []byte("# check"))
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// limited bounds answers: the client library reads them whole.
type limited struct{ *access.Transport }

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := l.Transport.RoundTrip(r)
	if err == nil {
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	}
	return answer, err
}
