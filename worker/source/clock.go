package source

import (
	"log/slog"
	"sync"
	"time"
)

// A clock is the machine's, which may be set, made never to go backward, so that a final window
// never gets a message. Where the machine's was set back, it goes on at half speed until that has
// caught up: windows stay regular, and an hour is made good in two. It is safe for concurrent use.
type clock struct {
	log  *slog.Logger
	base time.Time
	wall func(time.Time) int64 // what the machine's clock shows at a time; tests set it

	mu     sync.Mutex // guards the fields below
	last   int64      // time given last, ns since 1970
	mono   int64      // monotonic reading then, ns since base
	behind bool       // that the clock was set back has been said
}

// newClock makes a clock that is at least at start, in nanoseconds since 1970.
func newClock(log *slog.Logger, start int64) *clock {
	return &clock{log: log, base: time.Now(), wall: time.Time.UnixNano, last: start}
}

func (c *clock) now() int64 {
	t := time.Now()
	return c.read(c.wall(t), int64(t.Sub(c.base))) // the difference is of monotonic readings
}

// read gives the time of a moment at which the machine's clock shows wall, and one that is never
// set shows mono.
func (c *clock) read(wall, mono int64) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	elapsed := max(mono-c.mono, 0)
	c.mono = mono
	c.last = max(wall, c.last+elapsed/2)
	switch behind := time.Duration(c.last - wall); {
	case behind > time.Second && !c.behind:
		c.behind = true
		c.log.Warn("the clock was set back: windows go on at half speed until it has caught up",
			"by", behind.Round(time.Millisecond))
	case behind == 0 && c.behind:
		c.behind = false
		c.log.Info("the clock has caught up")
	}
	return c.last
}
