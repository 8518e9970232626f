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
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redisurl"
	"colorstream/worker/source"
)

const (
	retryEvery  = 500 * time.Millisecond
	dialTimeout = 3 * time.Second
	// connections bounds those of a stream: each partition's reader waits on one.
	connections = 256
)

// A Sink takes what one goroutine receives: a channel, or a partition of a stream.
type Sink interface {
	source.Sink
	// State tells whether messages come from now on, nil, or why not.
	State(err error)
}

// Config says what to receive.
type Config struct {
	// Redis is the URL, as package redisurl has it, and the files of certificates.
	Redis redisurl.Config
	// Password, if not empty, is used in place of the URL's.
	Password string
	// Channel is Pub/Sub channels and patterns, between commas, or the stream's key.
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
	log    *slog.Logger
	cfg    Config
	target redisurl.Target

	channels []string // with patterns
	back     int64    // how many of a stream's newest entries are read, too
}

// New returns a Source. Its errors name what is wrong with the settings, and hold no secret.
func New(log *slog.Logger, cfg Config) (*Source, error) {
	if u, err := url.Parse(cfg.Redis.URL); err == nil && cfg.Password != "" {
		u.User = url.UserPassword(u.User.Username(), cfg.Password)
		cfg.Redis.URL = u.String()
	}
	target, err := cfg.Redis.Target()
	if err != nil {
		return nil, err
	}
	channels, err := source.Channels(cfg.Channel)
	if cfg.Stream {
		channels, err = []string{cfg.Channel}, nil
	}
	switch {
	case cfg.Channel == "":
		return nil, errors.New("the channel has no name")
	case err != nil:
		return nil, fmt.Errorf("the channel %q %w", cfg.Channel, err)
	}
	if cfg.TLS != nil {
		target.Secure(cfg.TLS)
	}
	return &Source{log: log, cfg: cfg, target: target, channels: channels}, nil
}

func (s *Source) client() redisurl.Client {
	return s.target.Open(func(o *goredis.Options) {
		o.DialTimeout, o.DialerRetries, o.PoolSize = dialTimeout, 1, connections
	})
}

// Run receives until ctx ends. It waits for a Redis that is away. Partition is called for each
// sink.
func (s *Source) Run(ctx context.Context, partition func() Sink) {
	if s.cfg.Stream {
		s.runStreams(ctx, partition)
		return
	}
	sink := partition()
	options := s.target.Options()
	options.DialTimeout, options.DialerRetries = dialTimeout, 1
	p := source.NewPubSub(s.log, options, s.channels, s.cfg.Width, 0, sink.State)
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
