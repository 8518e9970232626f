// Package pace says when messages are due.
//
// A due time is always computed from the start and the number of the message, or from the start and
// the message's own time, never from the message before: rounding and delays do not add up. A loop
// that is late catches up, since later messages are due at their old times; the loop bounds that by
// putting the whole schedule off, so that a pause is not followed by a burst.
//
// A pacer is a value with arithmetic only: it neither waits nor looks at a clock. It is for one
// goroutine.
package pace

import "time"

// grain is the shortest time between two due times. At intervals below grouped, 500 messages a
// second, messages fall due in groups, which are published together: one command for all of them
// costs a fraction of one for each.
const (
	grain   = 5 * time.Millisecond
	grouped = 2 * time.Millisecond
)

// Steady is a pace of one message an interval.
type Steady struct {
	interval float64 // ns
	start    time.Time
	number   int64 // of the next message since start
}

// NewSteady makes a pace with the interval in nanoseconds, which may be less than one and need not
// be whole. The first message is due at start.
func NewSteady(start time.Time, interval float64) *Steady {
	return &Steady{start: start, interval: interval}
}

// Next tells when the next message is due. Each call is one message.
func (s *Steady) Next(_, _ time.Time) time.Time {
	due := s.start.Add(s.after(s.number))
	s.number++
	return due
}

// after is the time from start to the n-th message.
func (s *Steady) after(n int64) time.Duration {
	after := time.Duration(float64(n) * s.interval)
	if s.interval < float64(grouped) {
		after = (after + grain - 1) / grain * grain
	}
	return after
}

// PutOff makes everything later by d.
func (s *Steady) PutOff(d time.Duration) { s.start = s.start.Add(d) }
