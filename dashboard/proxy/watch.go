package proxy

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// A State tells whether the panels can be shown.
type State struct {
	// Available holds if Grafana answers and has the dashboard with at least one of the panels.
	Available bool
	// Since is when Available last changed.
	Since time.Time
	// Reason says, for users, why it is not available. It is empty when it is.
	Reason string
	// Panels and Revision are those of the last look that succeeded.
	//
	// Panels are the configured panels that the dashboard has, in ascending order. Do not change the slice.
	Panels []int
	// Revision changes when the dashboard has been edited. A panel that was loaded under another revision asks
	// for queries that may be gone: load it again.
	Revision string
}

// A watch knows the dashboard as it is now. One goroutine, run, looks at it; all methods may be called from any.
type watch struct {
	log     *slog.Logger
	refresh time.Duration
	read    func(context.Context) (*board, error)
	wake    chan struct{} // asks run to look soon

	mu      sync.Mutex
	state   State
	board   *board        // nil while it is not available
	next    chan struct{} // closed when a look that begins from now on has ended; nil if nobody waits
	waiting int
}

const (
	// retryTime is the pause after a first failure; the second in a row counts.
	retryTime = 100 * time.Millisecond
	// gapTime is the least time between the beginnings of two looks, whoever asks.
	gapTime = 500 * time.Millisecond
	// patience is how long an unknown query waits for a look, and maxWaiting how many do at a time.
	patience   = 2 * time.Second
	maxWaiting = 64
)

func newWatch(log *slog.Logger, refresh time.Duration, read func(context.Context) (*board, error)) *watch {
	return &watch{
		log: log, refresh: refresh, read: read, wake: make(chan struct{}, 1),
		state: State{Since: time.Now(), Reason: "Grafana has not been asked yet"},
	}
}

func (w *watch) current() State {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// targets are the queries that may pass now. Nobody changes the map.
func (w *watch) targets() targets {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.board == nil {
		return nil
	}
	return w.board.targets
}

// look asks for a look at the dashboard before its time.
func (w *watch) look() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// refreshed waits for a look that begins after the call, and says whether there was one in time.
func (w *watch) refreshed(ctx context.Context) bool {
	w.mu.Lock()
	if w.waiting >= maxWaiting {
		w.mu.Unlock()
		return false
	}
	w.waiting++
	if w.next == nil {
		w.next = make(chan struct{})
	}
	next := w.next
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		w.waiting--
		w.mu.Unlock()
	}()
	w.look()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	select {
	case <-next:
		return true
	case <-timeout.C:
	case <-ctx.Done():
	}
	return false
}

// run looks at the dashboard until ctx ends.
func (w *watch) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		began := time.Now()
		w.mu.Lock()
		waiting := w.next
		w.next = nil
		w.mu.Unlock()

		b, err := w.read(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := w.refresh
		switch {
		case err == nil:
			failures = 0
			w.found(b)
		case failures == 0:
			failures = 1
			pause = retryTime
		default:
			failures++
			w.lost(err)
		}
		if waiting != nil {
			close(waiting)
		}
		timer.Reset(pause)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			timer.Reset(0)
		case <-w.wake:
			timer.Reset(max(0, time.Until(began.Add(gapTime))))
		}
	}
}

func (w *watch) found(b *board) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.state.Available {
		w.log.Info("Grafana shows the dashboard", "panels", b.panels, "queries", len(b.targets))
		w.state.Available, w.state.Since, w.state.Reason = true, time.Now(), ""
	}
	w.state.Panels, w.state.Revision = b.panels, b.revision()
	w.board = b
}

func (w *watch) lost(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	reason := err.Error()
	if w.state.Available {
		w.state.Available, w.state.Since = false, time.Now()
	}
	if w.state.Reason != reason {
		w.log.Warn("Grafana does not show the dashboard", "reason", reason)
	}
	w.state.Reason = reason
	w.board = nil // a dashboard that is gone permits nothing
}
