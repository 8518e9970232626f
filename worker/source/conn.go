package source

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// readBuffer is the size of the buffer in front of the socket. One system call then brings
// thousands of messages when they come fast.
const readBuffer = 512 << 10

// A conn is a connection whose reads are observed, and on which pings can be written.
type conn struct {
	net.Conn
	began  time.Time
	reads  atomic.Uint64 // reads that brought something
	waited atomic.Int64  // when the last read ended that had to wait, ns since began
}

// waiting is how long a read takes at least that had to wait: one that finds data takes
// microseconds.
const waiting = time.Millisecond

func (c *conn) Read(p []byte) (int, error) {
	start := time.Now()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	if end := time.Now(); end.Sub(start) >= waiting {
		c.waited.Store(int64(end.Sub(c.began)))
	}
	return n, err
}

// hasWaited reports whether a read that had to wait ended within the last d: everything that Redis
// had sent before that was read then.
func (c *conn) hasWaited(d time.Duration) bool {
	return time.Since(c.began)-time.Duration(c.waited.Load()) < d
}

// writeTimeout is how long Redis may leave a ping in the socket.
const writeTimeout = 2 * time.Second

// ping writes a PING past go-redis, whose own would also connect, and so read, in this goroutine.
// The command is whole, and nothing else writes on a subscribed connection.
func (c *conn) ping(payload string) {
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, err := fmt.Fprintf(c, "*2\r\n$4\r\nPING\r\n$%d\r\n%s\r\n", len(payload), payload)
	if err != nil {
		_ = c.Close() // half a command may have been written
	}
}

// dial makes a client whose connections are announced to connected. opt is copied.
func dial(opt *redis.Options, connected func(*conn)) *redis.Client {
	o := *opt
	o.Protocol = 2 // a ping on a subscribed connection has an answer of its own kind
	o.ReadBufferSize = readBuffer
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	plain := o.Dialer
	if plain == nil {
		plain = redis.NewDialer(&o)
	}
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := plain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: nc, began: time.Now()}
		connected(c)
		return c, nil
	}
	return redis.NewClient(&o)
}
