package source

import (
	"context"
	"net"
	"sync/atomic"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A conn tells when its reader has used up what was received and goes back to the socket.
type conn struct {
	net.Conn
	beforeRead func()
	reads      atomic.Uint64 // reads that brought something
}

func (c *conn) Read(p []byte) (int, error) {
	c.beforeRead()
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
	}
	return n, err
}

// readBuffer is the size of the buffer in front of the socket. One system call then brings thousands of messages
// when they come fast.
const readBuffer = 512 << 10

// dial makes a client of its own for one receiving connection, whose connections call beforeRead before each read
// and are announced to connected. opt is copied.
func dial(opt *redis.Options, beforeRead func(), connected func(*conn)) *redis.Client {
	o := *opt
	o.ReadBufferSize = readBuffer
	o.ClientName = "colorstream-worker"
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	plain := redis.NewDialer(&o)
	o.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		nc, err := plain(ctx, network, address)
		if err != nil {
			return nil, err
		}
		c := &conn{Conn: nc, beforeRead: beforeRead}
		connected(c)
		return c, nil
	}
	return redis.NewClient(&o)
}
