// Package redis connects the worker's sources to the panels: it reads a data source's settings of
// Redis, runs the receivers of package source for a Pub/Sub channel or for each partition of a
// stream, and tells in words why it cannot.
//
// A stream is read from its end, outside all consumer groups and without a lease: the worker does
// not notice.
//
// The package knows nothing of windows or Grafana. It logs addresses and causes, never a message or
// a password.
package redis

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"colorstream/worker/source"
)

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
	dialTimeout  = 3 * time.Second
	// connections bounds those of a stream: each partition's reader waits on one.
	connections = 256
	// clientName is how Redis's CLIENT LIST shows this client.
	clientName = "colorstream-grafana"
)

// A Sink takes what one goroutine receives: a channel, or a partition of a stream.
type Sink interface {
	source.Sink
	// Connected tells whether messages come from now on.
	Connected(ok bool)
}

// Config says what to receive.
type Config struct {
	// URL is redis://[user[:password]@]host[:port][/database], or rediss:// with TLS. With
	// ?addr=host:port for further nodes it is a cluster's.
	URL string
	// Password, if not empty, is used in place of the URL's.
	Password string
	// Channel is the Pub/Sub channel's name, or the stream's key.
	Channel string
	// Stream says to read a stream instead of a channel.
	Stream bool
	// Width is that of the windows: a channel's time is told at each of their borders.
	Width time.Duration
	// TLS changes what a rediss:// URL says of TLS; it may be nil.
	TLS func(*tls.Config)
}

// A Source can be received from, or probed.
type Source struct {
	log     *slog.Logger
	cfg     Config
	options *goredis.UniversalOptions
}

// New returns a Source. Its errors name what is wrong with the settings, and hold no secret.
func New(log *slog.Logger, cfg Config) (*Source, error) {
	o, err := parse(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf(
			"the URL is not understood (%s): write redis://host:6379/0, or rediss:// with TLS",
			urlProblem(err))
	}
	if cfg.Channel == "" {
		return nil, errors.New("the channel has no name")
	}
	o.Password = cmp.Or(cfg.Password, o.Password)
	if cfg.TLS != nil && o.TLSConfig != nil {
		cfg.TLS(o.TLSConfig)
	}
	o.ClientName = clientName
	o.DialTimeout, o.DialerRetries, o.MaxRetries = dialTimeout, 1, -1
	o.ContextTimeoutEnabled = true
	o.PoolSize = connections
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &Source{log: log, cfg: cfg, options: o}, nil
}

// parse reads a URL; one with further addresses is a cluster's.
func parse(text string) (*goredis.UniversalOptions, error) {
	if u, err := url.Parse(text); err == nil && u.Query().Has("addr") {
		o, err := goredis.ParseClusterURL(text)
		if err != nil {
			return nil, err
		}
		return &goredis.UniversalOptions{
			Addrs: o.Addrs, Username: o.Username, Password: o.Password, TLSConfig: o.TLSConfig,
			IsClusterMode: true,
		}, nil
	}
	o, err := goredis.ParseURL(text)
	if err != nil {
		return nil, err
	}
	return &goredis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB,
		TLSConfig: o.TLSConfig, Protocol: o.Protocol,
	}, nil
}

// urlProblem returns what is wrong with a URL, without the URL, which may hold a password.
func urlProblem(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// address names Redis for a person.
func (s *Source) address() string { return strings.Join(s.options.Addrs, ", ") }

func (s *Source) client() goredis.UniversalClient { return goredis.NewUniversalClient(s.options) }

// Run receives until ctx ends. It waits for a Redis that is away. Partition is called for each
// sink.
func (s *Source) Run(ctx context.Context, partition func() Sink) {
	if s.cfg.Stream {
		s.runStreams(ctx, partition)
		return
	}
	sink := partition()
	options := s.options.Simple() // any node of a cluster has all that is published
	p := source.NewPubSub(s.log, options, []string{s.cfg.Channel}, s.cfg.Width, 0,
		func(err error) { sink.Connected(err == nil) })
	_ = p.Run(ctx, sink) // it ends with ctx alone
}

// keys returns the keys of the stream's partitions.
func (s *Source) keys(ctx context.Context, client goredis.UniversalClient) ([]string, error) {
	text, err := client.Get(ctx, s.cfg.Channel+":partitions").Result()
	if errors.Is(err, goredis.Nil) {
		return []string{s.cfg.Channel}, nil
	}
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1 || n > connections:
		return nil, fmt.Errorf("the stream %q has %.20q partitions", s.cfg.Channel, text)
	case n == 1:
		return []string{s.cfg.Channel}, nil
	}
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s:{%d}", s.cfg.Channel, i)
	}
	return keys, nil
}
