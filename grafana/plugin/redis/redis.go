// Package redis receives the messages of one Redis Pub/Sub channel or stream, and tells in words why it cannot.
//
// [Source.Run] is one goroutine that does everything: it connects, receives, hands on, makes the sink's ticks while
// nothing comes, asks a silent connection whether it lives, and waits before it tries again. So the sink needs no
// lock. A stream is read past what is in it when Run begins, and outside all consumer groups: the worker does not
// notice.
//
// The package knows nothing of windows or Grafana. It logs addresses and causes, never a message or a password.
package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	firstBackoff = 50 * time.Millisecond
	lastBackoff  = 2 * time.Second
	dialTimeout  = 3 * time.Second
	// readBuffer lets one system call bring thousands of messages when they come fast.
	readBuffer = 256 << 10
	// clientName is how Redis's CLIENT LIST shows this client.
	clientName = "colorstream-grafana"
	// entryField is the field of a stream's entry that holds the message.
	entryField = "m"
)

// A Sink takes what is received. All its methods are called by the goroutine of Run, and must not block.
type Sink interface {
	// Now is the time for messages that come without one, in nanoseconds since 1970. It never goes backward.
	Now() int64
	// Message takes a message that the source had at an instant. The payload may be kept.
	Message(payload string, at int64)
	// Heard tells that from the instant at on everything is received.
	Heard(at int64)
	// Lost tells that what was sent since the instant at, until Heard, is not received.
	Lost(at int64)
	// Tick tells that all messages before the instant now have been handed on, and gives when to tell the next time.
	Tick(now int64) (next int64)
}

// A Logger takes what an operator should know.
type Logger interface {
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
}

// Config says what to receive.
type Config struct {
	// URL is redis://[user[:password]@]host[:port][/database], or rediss:// with TLS.
	URL string
	// Password, if not empty, is used in place of the URL's.
	Password string
	// Channel is the Pub/Sub channel's name, or the stream's key.
	Channel string
	// Stream says to read a stream instead of a channel.
	Stream bool
	// TLS changes what a rediss:// URL says of TLS; it may be nil.
	TLS func(*tls.Config)
}

// A Source can be received from, or probed.
type Source struct {
	log Logger
	cfg Config
	opt *goredis.Options
	// pingEvery is how long a channel may be silent before Redis is asked whether it lives; after as long again
	// without an answer the connection is given up.
	pingEvery time.Duration
}

// New makes a source. Its errors name what is wrong with the settings, and hold no secret.
func New(log Logger, cfg Config) (*Source, error) {
	opt, err := goredis.ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("the URL is not understood (%s): write redis://host:6379/0, or rediss:// with TLS", urlProblem(err))
	}
	if cfg.Channel == "" {
		return nil, errors.New("the channel has no name")
	}
	if cfg.Password != "" {
		opt.Password = cfg.Password
	}
	if cfg.TLS != nil && opt.TLSConfig != nil {
		cfg.TLS(opt.TLSConfig)
	}
	opt.ClientName = clientName
	opt.DialTimeout = dialTimeout
	opt.DialerRetries = 1
	opt.MaxRetries = -1
	opt.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return &Source{log: log, cfg: cfg, opt: opt, pingEvery: 5 * time.Second}, nil
}

// urlProblem is what is wrong with a URL, without the URL, which may hold a password.
func urlProblem(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// Run receives until ctx ends. It waits for a Redis that is away.
func (s *Source) Run(ctx context.Context, sink Sink) {
	if s.cfg.Stream {
		(&stream{source: s, sink: sink}).run(ctx)
		return
	}
	(&pubsub{source: s, sink: sink}).run(ctx)
}

// sleep waits, and goes on with the sink's ticks; it ends early if ctx does. now gives source time.
func sleep(ctx context.Context, d time.Duration, now func() int64, sink Sink) {
	for end := time.Now().Add(d); ctx.Err() == nil; {
		at := now()
		wait := min(time.Until(end), time.Duration(sink.Tick(at)-at))
		if time.Until(end) <= 0 {
			return
		}
		t := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
}
