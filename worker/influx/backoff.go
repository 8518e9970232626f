package influx

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second
	minBackoff   = 20 * time.Millisecond
)

// backoff is how long to wait after so many failures in a row: exponential, with full jitter so that several
// workers do not come back together.
func backoff(failures int) time.Duration {
	most := maxBackoff
	if failures < 10 {
		most = min(maxBackoff, firstBackoff<<failures)
	}
	return minBackoff + rand.N(most)
}

// sleep waits for d, or until ctx ends or wake is closed.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-wake:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}
