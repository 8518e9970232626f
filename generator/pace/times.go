package pace

import "time"

// Times is the pace of the messages' own times: two messages are as far apart as their times are,
// divided by a speed. A message without a time, or with one that is before one already seen, is due
// at once.
type Times struct {
	speed  float64
	start  time.Time // when the message with the time first was due
	first  time.Time
	newest time.Time
}

// NewTimes makes a pace that starts with the first message that has a time.
func NewTimes(speed float64) *Times { return &Times{speed: speed} }

// Next tells when the message whose time is at is due.
func (t *Times) Next(now, at time.Time) time.Time {
	switch {
	case at.IsZero():
		return now
	case t.newest.IsZero():
		t.first, t.newest, t.start = at, at, now
		return now
	case !at.After(t.newest):
		return now
	}
	t.newest = at
	return t.start.Add(scale(at.Sub(t.first), t.speed))
}

// scale divides, and keeps what does not fit a Duration at the longest one.
func scale(d time.Duration, speed float64) time.Duration {
	const longest = 1<<63 - 1
	if scaled := float64(d) / speed; scaled < longest {
		return time.Duration(scaled)
	}
	return longest
}

// PutOff makes everything later by d.
func (t *Times) PutOff(d time.Duration) { t.start = t.start.Add(d) }
