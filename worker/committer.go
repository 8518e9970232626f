package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"colorstream/worker/source"
	"colorstream/worker/store"
	"colorstream/worker/window"
)

const (
	// maxUncommitted is how many bytes of lines wait in memory for a store that does not take them.
	maxUncommitted = 64 << 20
	// maxUncommittedLetters is the same for dead letters.
	maxUncommittedLetters = 4 << 20
	// backlog is how much may wait for a commit before a stream is not read further: bytes of lines,
	// and panes, which are no lines yet and count as paneSize.
	backlog  = 1 << 20
	paneSize = 16 << 10
	// firstRetry and lastRetry bound the wait between two attempts at a commit, and stopRetry how long
	// they go on after the last hand-over.
	firstRetry = 100 * time.Millisecond
	lastRetry  = 2 * time.Second
	stopRetry  = 2 * time.Second
)

// A handover is what a committer gets: panes to be written, and the state after them.
type handover struct {
	at       time.Time
	panes    []*window.Pane
	state    window.State
	position source.Position
	trim     string // the entry before which the stream is not needed any more
	parts    []window.Part
	whole    bool // parts are all that the open windows hold
	letters  []byte
	tally    tally
}

// savedState is what a store keeps of the worker as its state, in JSON.
type savedState struct {
	Windows window.State `json:"windows"`
	Entries int64        `json:"entries,omitempty"` // as of source.Position
}

// progress is how far a stream's commits have come.
type progress struct {
	position source.Position
	trim     string // the entry before which the stream is not needed any more
	messages int64  // in all commits of this worker
}

// A committer computes windows' statistics, and makes them durable together with the state that
// they leave behind, in a goroutine of its own. What waits for it is bounded by the open windows'
// values and maxUncommitted.
type committer struct {
	log     *slog.Logger
	store   store.Store
	metrics *metrics
	// retry says that a commit that failed is tried again, together with what came since. Without it
	// the committer ends, for another owner of the state may have gone on from the one before.
	retry bool

	mu      sync.Mutex
	pending []handover
	closed  bool
	wake    chan struct{}

	lastError  atomic.Pointer[error]    // of the last commit, nil if it succeeded
	progress   atomic.Pointer[progress] // by the last commit, nil before the first
	wantsWhole atomic.Bool              // parts are lost: the next ones are to be whole
	// bytes of lines, and paneSize for each pane that is no line yet
	uncommitted atomic.Int64

	// The rest is run's.
	next    store.Commit
	parts   map[int64][]byte // of next, by window
	tally   tally            // of next
	reaches progress         // with next
	failed  bool
}

// put takes a handover. It does not wait.
func (c *committer) put(h handover) {
	c.uncommitted.Add(int64(len(h.panes)) * paneSize)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, h)
	c.signal()
}

// close tells that nothing more comes: run ends when it has done what there is.
func (c *committer) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.signal()
}

func (c *committer) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// state reports why the last commit failed, nil if it succeeded.
func (c *committer) state() error {
	if err := c.lastError.Load(); err != nil {
		return fmt.Errorf("windows wait in memory, for they cannot be stored: %w", *err)
	}
	return nil
}

// backlogged reports whether so much waits for commits that whoever can wait should.
func (c *committer) backlogged() bool { return c.uncommitted.Load() > backlog }

// run commits until close, and then once more. It ends with an error if a commit fails and is not
// to be tried again.
func (c *committer) run(ctx context.Context) error {
	backoff := firstRetry
	var deadline time.Time
	for {
		var retry <-chan time.Time
		if c.failed {
			retry = time.After(backoff)
		}
		select {
		case <-c.wake:
		case <-retry:
		}
		c.mu.Lock()
		handed, closed := c.pending, c.closed
		c.pending = nil
		c.mu.Unlock()
		for _, h := range handed {
			c.collect(h)
		}
		if len(handed) > 0 || c.failed {
			err := c.commit(ctx)
			switch {
			case err == nil:
				backoff = firstRetry
			case !c.retry:
				return fmt.Errorf("commit: %w", err)
			default:
				backoff = min(2*backoff, lastRetry)
			}
		}
		if !closed {
			continue
		}
		if deadline.IsZero() {
			deadline = time.Now().Add(stopRetry)
		}
		switch {
		case !c.failed:
			return nil
		case time.Now().After(deadline):
			points := countLines(c.next.Lines)
			c.metrics.dropped.Add(int64(points))
			return fmt.Errorf("%d points were closed and could not be stored", points)
		}
		backoff = firstRetry
	}
}

// collect puts a handover into the next commit.
func (c *committer) collect(h handover) {
	c.encode(h)
	state, err := json.Marshal(savedState{h.state, h.position.Entries})
	if err != nil {
		panic(err) // numbers and booleans
	}
	c.next.State, c.next.Position = state, h.position.ID
	c.reaches = progress{h.position, h.trim, c.reaches.messages + h.tally.received()}
	if h.whole {
		clear(c.parts)
		c.next.Whole = true
	}
	for _, p := range h.parts {
		c.parts[p.Start] = p.Append(c.parts[p.Start])
	}
	c.next.Open = c.next.Open[:0]
	for _, w := range h.state.Open {
		c.next.Open = append(c.next.Open, w.Start)
	}
	if len(c.next.Letters)+len(h.letters) <= maxUncommittedLetters || len(c.next.Letters) == 0 {
		c.next.Letters = append(c.next.Letters, h.letters...)
	} else {
		c.metrics.dropLetters(countLines(h.letters))
	}
	c.tally.add(&h.tally)
}

// encode makes lines of windows.
func (c *committer) encode(h handover) {
	for _, p := range h.panes {
		before, points := len(c.next.Lines), p.Points()
		for _, point := range points {
			c.next.Lines = append(point.AppendLine(c.next.Lines), '\n')
		}
		c.uncommitted.Add(int64(len(c.next.Lines)-before) - paneSize)
		c.log.Debug("window written", "window", time.Unix(0, p.Start).UTC(), "colors", len(points),
			"complete", !p.Incomplete, "again", p.Again)
	}
	if len(h.panes) > 0 {
		c.metrics.closeSeconds.Observe(time.Since(h.at).Seconds())
	}
	if over := len(c.next.Lines) - maxUncommitted; over > 0 && c.failed {
		c.dropOldest(over)
	}
}

// dropOldest drops at least so many bytes of the oldest lines.
func (c *committer) dropOldest(over int) {
	end := over + bytes.IndexByte(c.next.Lines[over:], '\n') + 1
	n := countLines(c.next.Lines[:end])
	c.next.Lines = append([]byte(nil), c.next.Lines[end:]...)
	c.uncommitted.Add(-int64(end))
	c.metrics.dropped.Add(int64(n))
	c.log.Error("windows were dropped: the store takes nothing, and too much waits in memory",
		"points", n)
}

// commit saves what was collected. Whatever it leaves unsaved is in the next commit.
func (c *committer) commit(ctx context.Context) error {
	c.next.Parts = c.next.Parts[:0]
	maps.DeleteFunc(c.parts,
		func(start int64, _ []byte) bool { return !slices.Contains(c.next.Open, start) })
	for start, data := range c.parts {
		c.next.Parts = append(c.next.Parts, store.Part{Window: start, Data: data})
	}
	start := time.Now()
	err := c.store.Commit(ctx, c.next)
	if errors.Is(err, store.ErrFresh) {
		// What open windows held is lost to a crash from now until the aggregator gives it again.
		c.wantsWhole.Store(true)
		clear(c.parts)
		c.next.Parts = nil
		err = c.store.Commit(ctx, c.next)
	}
	c.metrics.commitSeconds.Observe(time.Since(start).Seconds())
	if c.lastError.Store(nil); err != nil {
		c.metrics.commitErrors.Inc()
		c.lastError.Store(&err)
		if !c.failed && c.retry {
			c.log.Error("windows cannot be stored; they wait in memory, and it is tried again",
				"points", countLines(c.next.Lines), "error", err)
		}
		c.failed = true
		return err
	}
	if c.failed {
		c.log.Info("windows are stored again", "points", countLines(c.next.Lines))
		c.failed = false
	}
	clear(c.parts)
	c.uncommitted.Add(-int64(len(c.next.Lines)))
	c.metrics.count(&c.tally)
	reached := c.reaches
	c.progress.Store(&reached)
	c.tally, c.next = tally{}, store.Commit{}
	return nil
}

func countLines(text []byte) int { return bytes.Count(text, []byte("\n")) }
