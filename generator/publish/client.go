package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redisurl"
)

// A client counts connections, so that a failure to connect can be told from one of a connection.
type client struct {
	redisurl.Client
	started, done atomic.Uint64
}

// notSent reports whether the newest connection was not made: nothing can have been sent on it.
func (c *client) notSent() bool { return c.started.Load() != c.done.Load() }

// newClient makes a client with one connection to each server.
func newClient(o Options) *client {
	timeout := o.timeout
	if timeout == 0 {
		timeout = 5 * time.Second
	}
	c := new(client)
	c.Client = o.Target.Open(func(r *redis.Options) {
		r.DialerRetries = 1
		r.DialTimeout, r.ReadTimeout, r.WriteTimeout = min(timeout, 3*time.Second), timeout, timeout
		r.PoolSize, r.MaxActiveConns, r.PipelinePoolSize = 1, 1, -1
		r.ReadBufferSize, r.WriteBufferSize = 64<<10, 128<<10
		dial := r.Dialer
		if dial == nil {
			dial = redis.NewDialer(r)
		}
		r.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
			c.started.Store(c.done.Load() + 1)
			return dial(ctx, network, address)
		}
		r.OnConnect = func(context.Context, *redis.Conn) error {
			c.done.Store(c.started.Load())
			return nil
		}
	})
	return c
}

// answered reports whether Redis itself has refused the command.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// passing are those that pass by themselves. They stand at an answer's start, or in that of a
// transaction or script that they ended.
var passing = []string{
	"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY ", "OOM", "MISCONF",
	"NOREPLICAS", "MOVED", "ASK", "UNBLOCKED", "max number of clients",
}

// temporary reports whether an error may pass by itself: everything but an error of a server that
// is well. Of several, all must.
func temporary(err error) bool {
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(all.Unwrap(), func(err error) bool { return !temporary(err) })
	}
	if errors.Is(err, errPartitions) {
		return false
	}
	if !answered(err) {
		return true
	}
	for _, word := range passing {
		if strings.HasPrefix(err.Error(), word) || strings.Contains(err.Error(), " "+word) {
			return true
		}
	}
	return false
}

// explain adds what to do about the errors that a newcomer meets.
func explain(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"):
		return fmt.Errorf("%w (REDIS_URL takes them: redis://user:password@host:6379/0)", err)
	case strings.Contains(text, "WRONGTYPE"):
		return fmt.Errorf("%w (the key exists and is no stream: set REDIS_CHANNEL to another name)", err)
	}
	return err
}
