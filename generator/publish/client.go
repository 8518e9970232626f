package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// dialing counts connections, so that a failure to connect can be told from one of a connection.
type dialing struct{ started, done atomic.Uint64 }

// failing tells that the newest connection was not made: nothing can have been sent on it.
func (d *dialing) failing() bool { return d.started.Load() != d.done.Load() }

// newClient makes a client with one connection and without retries: whether a command may be sent again is not a
// question for a client.
func newClient(url string, timeout time.Duration) (*redis.Client, *dialing, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	d := new(dialing)
	o.ClientName = "colorstream-generator-" + rand.Text()
	o.MaxRetries = -1
	o.DialerRetries = 1
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = min(timeout, 3*time.Second), timeout, timeout
	o.PoolSize, o.MaxActiveConns, o.PipelinePoolSize = 1, 1, -1
	o.ReadBufferSize, o.WriteBufferSize = 64<<10, 128<<10
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	dial := redis.NewDialer(o)
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		d.started.Store(d.done.Load() + 1)
		return dial(ctx, network, address)
	}
	o.OnConnect = func(context.Context, *redis.Conn) error {
		d.done.Store(d.started.Load())
		return nil
	}
	return redis.NewClient(o), d, nil
}

// errNoReply marks a command that has no answer yet.
var errNoReply = errors.New("no reply")

// answered tells whether Redis itself has refused the command.
func answered(err error) bool {
	_, ok := errors.AsType[redis.Error](err)
	return ok
}

// passing tells whether an error may pass by itself: everything but a refusal by a server that is well.
func passing(err error) bool {
	if !answered(err) {
		return true
	}
	for _, prefix := range []string{
		"LOADING", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY ", "OOM", "MISCONF", "NOREPLICAS",
		"max number of clients",
	} {
		if redis.HasErrorPrefix(err, prefix) {
			return true
		}
	}
	return false
}

// explain adds what to do about the refusals that a newcomer meets.
func explain(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "NOAUTH"), strings.Contains(text, "WRONGPASS"):
		return fmt.Errorf("%w (REDIS_URL takes them: redis://user:password@host:6379/0)", err)
	case strings.Contains(text, "WRONGTYPE"):
		return fmt.Errorf("%w (the key exists and is no stream: set REDIS_CHANNEL to another name)", err)
	}
	return err
}
