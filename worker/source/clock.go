package source

import (
	"log/slog"
	"sync"
	"time"
)

// A monotonic makes of a wall clock, which may be set, one that never goes backward, so that a
// final window never gets a message. It is the wall clock, but where that was set back, it goes on
// at half speed until the wall clock has caught up: windows stay regular, and an hour is made good
// in two.
//
// Its caller gives both readings of the same moment: the wall clock, and a monotonic one that is
// never set. [time.Now] has both. All are nanoseconds.
type monotonic struct{ now, mono int64 }

// read gives the time, and how far the wall clock is behind it after it was set back.
func (m *monotonic) read(wall, mono int64) (now, behind int64) {
	elapsed := max(mono-m.mono, 0)
	m.mono = mono
	m.now = max(wall, m.now+elapsed/2)
	return m.now, m.now - wall
}

// A clock is the machine's, made never to go backward. It is safe for concurrent use.
type clock struct {
	log  *slog.Logger
	base time.Time
	wall func(time.Time) int64 // what the machine's clock shows at a time; tests set it

	mu     sync.Mutex // guards the fields below
	time   monotonic
	behind bool // that the clock was set back has been said
}

// newClock makes a clock that is at least at start, in nanoseconds since 1970.
func newClock(log *slog.Logger, start int64) *clock {
	now := time.Now()
	return &clock{
		log: log, base: now, wall: time.Time.UnixNano,
		time: monotonic{now: max(start, now.UnixNano())},
	}
}

func (c *clock) now() int64 {
	t := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	// the difference is of monotonic readings
	now, behind := c.time.read(c.wall(t), int64(t.Sub(c.base)))
	switch {
	case behind > int64(time.Second) && !c.behind:
		c.behind = true
		c.log.Warn("the clock was set back: windows go on at half speed until it has caught up",
			"by", time.Duration(behind).Round(time.Millisecond))
	case behind == 0 && c.behind:
		c.behind = false
		c.log.Info("the clock has caught up")
	}
	return now
}
