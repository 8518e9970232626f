// Package outbox brings what waits in a store to where it belongs: the oldest batches first, each
// until it is delivered, and only then is it removed. Whatever fails, the store or the destination,
// is tried again with back-off, so an outage of any length costs nothing but time, and no more
// memory than the store gives at once.
//
// The back-off is exponential with full jitter, from 250 ms to 10 s, and no shorter than an error
// asks for. It does not know what a batch holds, nor who takes it: a [Deliver] does.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"colorstream/worker/store"
)

const (
	sayEvery     = time.Minute
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second
	minBackoff   = 20 * time.Millisecond
)

// A Store is a store's queues.
type Store interface {
	Oldest(context.Context, store.Queue) ([]store.Batch, error)
	Remove(ctx context.Context, q store.Queue, ids []string, letters []byte) error
	More(store.Queue) <-chan struct{}
}

// A Try repeats an act until it succeeds. Its error is the last one of an act that is not tried
// again, because the sender is to stop.
type Try func(act func() error) error

// Deliver brings batches to their destination, each step of it by try. Letters, if any, are dead
// letters of what the destination will never take; they are saved when the batches are removed.
type Deliver func(ctx context.Context, batches []store.Batch, try Try) (letters []byte, err error)

// A Hint is an error that knows more of itself.
type Hint interface {
	error
	// Permanent reports whether nothing will change before somebody changes a configuration.
	Permanent() bool
	// Wait is how long at least the destination asks to be left alone.
	Wait() time.Duration
}

// A Sender delivers what waits in any number of stores. It logs a failure when it begins, and then
// once a minute; one that somebody must mend is said at once, whatever was said before.
type Sender struct {
	log     *slog.Logger
	what    string
	deliver Deliver

	mu    sync.Mutex
	last  error                    // why the last try failed, nil if it succeeded
	since time.Time                // of the first failure of those of which last is the last
	said  map[slog.Level]time.Time // when a failure was logged last
	told  bool                     // that of the present failures one was logged
}

// NewSender returns a Sender. What names what it sends in the log, such as "points".
func NewSender(log *slog.Logger, what string, deliver Deliver) *Sender {
	return &Sender{log: log, what: what, deliver: deliver, said: make(map[slog.Level]time.Time)}
}

// LastError returns why the last try failed, nil if it succeeded.
func (s *Sender) LastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}

// Run delivers what waits in a queue until ctx ends, and then what is left there, for at most
// stopTimeout and as long as nothing fails; the rest stays in the store. Each queue has a Run of
// its own.
func (s *Sender) Run(ctx context.Context, from Store, q store.Queue, stopTimeout time.Duration) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopTimeout, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})()
	for {
		sent, err := s.sendOldest(work, from, q, s.Trying(work, ctx.Done()))
		switch {
		case err != nil:
			s.log.Info("stopped before all "+s.what+" were sent; the rest stays in the store", "error", err)
			return
		case sent:
		case ctx.Err() != nil:
			return
		default:
			select {
			case <-from.More(q):
			case <-ctx.Done():
			}
		}
	}
}

// sendOldest delivers the oldest batches and removes them. It returns false if there are none, and
// an error only when the sender is to stop.
func (s *Sender) sendOldest(
	ctx context.Context, from Store, q store.Queue, try Try,
) (sent bool, err error) {
	var batches []store.Batch
	err = try(func() (err error) {
		batches, err = from.Oldest(ctx, q)
		return err
	})
	if err != nil || len(batches) == 0 {
		return false, err
	}
	letters, err := s.deliver(ctx, batches, try)
	if err != nil {
		return false, err
	}
	ids := make([]string, len(batches))
	for i, b := range batches {
		ids[i] = b.ID
	}
	if err = try(func() error { return from.Remove(ctx, q, ids, letters) }); err == nil {
		s.recovered()
	}
	return err == nil, err
}

var errStopping = errors.New("it was not done in time")

// Trying makes a Try. When stopping is closed a wait ends at once, and the next failure is the end;
// after the end of ctx every failure is.
func (s *Sender) Trying(ctx context.Context, stopping <-chan struct{}) Try {
	return func(act func() error) error {
		for failures := 0; ; failures++ {
			err := act()
			if err == nil {
				return nil
			}
			if ctx.Err() != nil {
				return errStopping
			}
			s.failed(err, failures+1)
			select {
			case <-stopping:
				return err
			default:
			}
			wait := backoff(failures)
			if hint, ok := errors.AsType[Hint](err); ok {
				wait = max(wait, hint.Wait())
			}
			select {
			case <-time.After(wait):
			case <-stopping:
			}
		}
	}
}

// backoff returns how long to wait after so many failures: with jitter, so that several workers do
// not come back together.
func backoff(failures int) time.Duration {
	most := maxBackoff
	if failures < 10 {
		most = min(maxBackoff, firstBackoff<<failures)
	}
	return minBackoff + rand.N(most)
}

func (s *Sender) failed(err error, attempt int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.last == nil {
		s.since = now
	}
	s.last = err
	level := slog.LevelWarn
	if hint, ok := errors.AsType[Hint](err); ok && hint.Permanent() {
		level = slog.LevelError
	}
	if now.Sub(s.said[level]) < sayEvery {
		return
	}
	s.said[level], s.told = now, true
	s.log.Log(context.Background(), level, s.what+" are kept, not sent",
		"error", err, "for", now.Sub(s.since).Round(time.Second), "attempt", attempt)
}

func (s *Sender) recovered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told {
		s.log.Info(s.what+" are sent again", "after", time.Since(s.since).Round(time.Millisecond))
	}
	s.last, s.told = nil, false
}
