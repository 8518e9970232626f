package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"colorstream/influxdb/series"
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

// A committer computes windows' statistics, and makes them durable together with the state that
// they leave behind, in a goroutine of its own. What waits for it is bounded by the open windows'
// values and maxUncommitted.
type committer struct {
	log     *slog.Logger
	store   store.Store
	metrics *metrics
	// committed is told of each commit: the stream is not needed before an entry.
	committed func(trim string)
	// retry says that a commit that failed is tried again, together with what came since. Without it
	// the committer ends, for another owner of the state may have gone on from the one before.
	retry bool

	mu      sync.Mutex
	pending []handover
	closed  bool
	wake    chan struct{}

	lastError  atomic.Pointer[error]           // of the last commit, nil if it succeeded
	reached    atomic.Pointer[source.Position] // by the last commit, nil before the first
	messages   atomic.Int64                    // that were committed; of a stream
	wantsWhole atomic.Bool                     // parts are lost: the next ones are to be whole
	// bytes of lines, and paneSize for each pane that is no line yet
	uncommitted atomic.Int64

	// The rest is run's.
	next     store.Commit
	parts    map[int64][]byte // of next
	whole    bool             // parts of next are all that the open windows hold
	open     map[int64]bool   // windows, as of next
	inStore  map[int64]bool   // windows that have parts in the store
	tally    tally            // of next
	trim     string           // of next
	at       source.Position  // of next
	position string           // last committed
	failed   bool
}

func newCommitter(
	log *slog.Logger, s store.Store, saved store.Saved, m *metrics, retry bool,
) *committer {
	c := &committer{
		log: log, store: s, metrics: m, retry: retry, committed: func(string) {},
		wake: make(chan struct{}, 1), parts: make(map[int64][]byte),
		inStore: make(map[int64]bool), open: make(map[int64]bool),
		position: saved.Position,
	}
	for _, p := range saved.Parts {
		c.inStore[p.Window] = true
	}
	return c
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
			c.metrics.dropped.Add(float64(c.next.Points))
			return fmt.Errorf("%d points were closed and could not be stored", c.next.Points)
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
	c.next.State, c.next.Position, c.at, c.trim = state, h.position.ID, h.position, h.trim
	if h.whole {
		clear(c.parts)
		c.whole = true
	}
	for _, p := range h.parts {
		c.parts[p.Start] = p.Append(c.parts[p.Start])
	}
	clear(c.open)
	for _, w := range h.state.Open {
		c.open[w.Start] = true
	}
	if len(c.next.Letters)+len(h.letters) <= maxUncommittedLetters || len(c.next.Letters) == 0 {
		c.next.Letters = append(c.next.Letters, h.letters...)
	} else {
		c.metrics.LettersDropped(bytes.Count(h.letters, []byte("\n")))
	}
	c.tally.add(h.tally)
}

// encode makes lines of windows.
func (c *committer) encode(h handover) {
	for _, p := range h.panes {
		before := len(c.next.Lines)
		var points int
		c.next.Lines, points = appendPane(c.next.Lines, p)
		c.next.Points += points
		c.uncommitted.Add(int64(len(c.next.Lines)-before) - paneSize)
		c.log.Debug("window written", "window", time.Unix(0, p.Start).UTC(), "colors", points,
			"complete", !p.Incomplete, "again", p.Again)
	}
	if len(h.panes) > 0 {
		c.metrics.closeSeconds.Observe(time.Since(h.at).Seconds())
	}
	if over := len(c.next.Lines) - maxUncommitted; over > 0 && c.failed {
		c.dropOldest(over)
	}
}

// appendPane appends the points of a window, a line each, and returns their number.
func appendPane(lines []byte, p *window.Pane) ([]byte, int) {
	stats := p.Stats()
	for _, s := range stats {
		lines = series.Point{
			Color: s.Color, Statistics: p.Statistics, Values: s.Values, Sum: s.Sum, Count: s.Count,
			Complete: !p.Incomplete, Approximate: s.Approximate, Start: time.Unix(0, p.Start),
		}.AppendLine(lines)
		lines = append(lines, '\n')
	}
	return lines, len(stats)
}

// dropOldest drops at least so many bytes of the oldest lines.
func (c *committer) dropOldest(over int) {
	end := over + bytes.IndexByte(c.next.Lines[over:], '\n') + 1
	n := bytes.Count(c.next.Lines[:end], []byte("\n"))
	c.next.Lines = append([]byte(nil), c.next.Lines[end:]...)
	c.next.Points -= n
	c.uncommitted.Add(-int64(end))
	c.metrics.dropped.Add(float64(n))
	c.log.Error("windows were dropped: the store takes nothing, and too much waits in memory",
		"points", n)
}

// commit saves what was collected. Whatever it leaves unsaved is in the next commit.
func (c *committer) commit(ctx context.Context) error {
	if !c.retry && c.next.Position == c.position && len(c.next.Lines) == 0 {
		return nil // a stream that was not read further
	}
	c.next.Parts, c.next.Drop = c.next.Parts[:0], c.next.Drop[:0]
	maps.DeleteFunc(c.parts, func(start int64, _ []byte) bool { return !c.open[start] })
	for start, data := range c.parts {
		c.next.Parts = append(c.next.Parts, store.Part{Window: start, Data: data})
	}
	for start := range c.inStore {
		if !c.open[start] || c.whole {
			c.next.Drop = append(c.next.Drop, start)
		}
	}
	start := time.Now()
	err := c.store.Commit(ctx, c.next)
	if errors.Is(err, store.ErrFresh) {
		// What open windows held is lost to a crash from now until the aggregator gives it again.
		c.wantsWhole.Store(true)
		clear(c.parts)
		clear(c.inStore)
		c.next.Parts, c.next.Drop = nil, nil
		err = c.store.Commit(ctx, c.next)
	}
	c.metrics.commitSeconds.Observe(time.Since(start).Seconds())
	if c.lastError.Store(nil); err != nil {
		c.metrics.commitErrors.Inc()
		c.lastError.Store(&err)
		if !c.failed && c.retry {
			c.log.Error("windows cannot be stored; they wait in memory, and it is tried again",
				"points", c.next.Points, "error", err)
		}
		c.failed = true
		return err
	}
	if c.failed {
		c.log.Info("windows are stored again", "points", c.next.Points)
		c.failed = false
	}
	for _, start := range c.next.Drop {
		delete(c.inStore, start)
	}
	for start := range c.parts {
		c.inStore[start] = true
	}
	clear(c.parts)
	c.whole = false
	c.uncommitted.Add(-int64(len(c.next.Lines)))
	c.position = c.next.Position
	at := c.at
	c.reached.Store(&at)
	c.messages.Add(c.tally.received())
	c.metrics.totals.add(c.tally)
	c.tally = tally{}
	c.next = store.Commit{}
	c.committed(c.trim)
	return nil
}
