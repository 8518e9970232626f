package main

import (
	"math"
	"time"
)

// A pace tells how long after the start the next message is due, which has the time at. Each call
// is one message.
//
// A due time is always computed from the start and the number of the message, or from the start and
// the message's own time, never from the message before: rounding and delays do not add up. A loop
// that is late catches up, since later messages are due at their old times; the loop bounds that by
// putting the start off, so that a pause is not followed by a burst.
type pace func(at time.Time) time.Duration

// grain is the shortest time between two due times. At intervals below grouped, 500 messages a
// second, messages fall due in groups, which are published together: one command for all of them
// costs a fraction of one for each.
const (
	grain   = 5 * time.Millisecond
	grouped = 2 * time.Millisecond
)

// steady is a pace of one message an interval, which is in nanoseconds, and may be less than one
// and need not be whole.
func steady(interval float64) pace {
	n := -1.0
	return func(time.Time) time.Duration {
		n++
		after := time.Duration(n * interval)
		if interval < float64(grouped) {
			after = (after + grain - 1) / grain * grain
		}
		return after
	}
}

// byTimes is the pace of the messages' own times: two messages are as far apart as their times are,
// divided by a speed. A message without a time, or with one that is before one already seen, is due
// with the message before it.
func byTimes(speed float64) pace {
	var first, newest time.Time
	return func(at time.Time) time.Duration {
		if first.IsZero() {
			first = at
		}
		if at.After(newest) {
			newest = at
		}
		after := float64(newest.Sub(first)) / speed
		if after >= math.MaxInt64 {
			return math.MaxInt64
		}
		return time.Duration(after)
	}
}
