package pace

import "time"

// Max is no pace at all: every message is due at once.
type Max struct{}

// Next is now.
func (Max) Next(now, _ time.Time) (due time.Time, putOff time.Duration) { return now, 0 }
