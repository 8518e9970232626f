package pipeline

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"colorstream/worker/checkpoint"
	"colorstream/worker/window"
)

// The files of a Store's folder.
const (
	// openFile holds the open windows as they were a moment ago.
	openFile = "open-windows"
	// closedFile holds which windows have closed, and the lines of the last ones.
	closedFile = "closed-windows"
	// shownFile holds the counts that were shown last, see Shown.
	shownFile = "shown-counts"
)

const (
	// maxWaiting is how many bytes of lines wait in memory for a disk that does not take them. Past it the
	// oldest are dropped, and counted.
	maxWaiting = 64 << 20
	// maxRecord is about how many bytes go into one record of the spool.
	maxRecord = 1 << 20
	// retryEvery is how long the Store waits when the disk refused.
	retryEvery = 500 * time.Millisecond
	// lastTry is how long the Store goes on trying once it is to stop.
	lastTry = 5 * time.Second
)

// A Spool keeps lines until InfluxDB has them. What Append has accepted survives a crash.
type Spool interface {
	Append(lines []byte) error
}

// An item is what the Store makes durable: lines, or a checkpoint of the open windows.
type item struct {
	lines  []byte
	points int
	memory window.State
	counts Counts
	safe   int64
	// position is how far the source had come.
	position string

	open     []byte
	encoding time.Duration
}

// closings is what closedFile holds. It is written before the lines go to the spool: after a crash in between,
// they are put there again, the same, and no window is opened again.
type closings struct {
	Memory window.State
	Lines  []byte
	Counts Counts // when the windows closed
	// Position is how far the source had come then.
	Position string
}

// A Store makes closed windows durable. A disk that fails holds up nothing before it: lines wait in memory, and
// the Store tries again.
type Store struct {
	log   *slog.Logger
	dir   string
	spool Spool
	// healthy hears whether the disk takes what it is given; stored is told the source time before which
	// nothing is needed any more.
	healthy func(error)
	stored  func(safe int64)
	in      *queue[item]

	recovered Counts // what Recover found

	failing time.Time // since when the disk refuses; Run's own
	said    time.Time // when the log last said so

	waiting atomic.Int64 // bytes of lines not yet in the spool
	dropped atomic.Uint64
	saving  atomic.Int64 // what that took, ns
}

// NewStore makes a Store that keeps its own files in dir.
func NewStore(log *slog.Logger, dir string, spool Spool, healthy func(error), stored func(safe int64)) *Store {
	return &Store{log: log, dir: dir, spool: spool, healthy: healthy, stored: stored, in: newQueue[item]()}
}

// Waiting is how many bytes of lines wait for the disk.
func (s *Store) Waiting() int64 { return s.waiting.Load() }

// Full tells that so much waits for the disk that a source which can wait should.
func (s *Store) Full() bool { return s.waiting.Load() > maxWaiting/2 }

// Dropped is how many points were lost because the disk did not take them.
func (s *Store) Dropped() uint64 { return s.dropped.Load() }

// Saving is what the last checkpoint of the open windows took.
func (s *Store) Saving() time.Duration { return time.Duration(s.saving.Load()) }

func (s *Store) put(it item) {
	s.waiting.Add(int64(len(it.lines)))
	s.in.put(it)
}

// Run works until the Closer is done and everything is durable, or until a disk has refused for five seconds
// after that.
func (s *Store) Run() {
	var backlog []item
	for {
		items, ok := s.in.take()
		if !ok {
			return
		}
		backlog = append(backlog, items...)
		var stopping time.Time
		for len(backlog) > 0 {
			if backlog = s.storeSome(backlog); len(backlog) == 0 {
				break
			}
			if s.in.isClosed() {
				if stopping.IsZero() {
					stopping = time.Now()
				}
				if time.Since(stopping) > lastTry {
					s.drop(backlog, "the worker stops")
					return
				}
			}
			backlog = s.limit(append(backlog, s.more()...))
		}
	}
}

// storeSome stores what it can of the backlog and returns the rest. It waits a while if the disk refused.
func (s *Store) storeSome(backlog []item) []item {
	if backlog[0].open != nil {
		// Only the newest checkpoint counts, and only if no window has closed after it.
		next := backlog[1:]
		if len(next) > 0 && next[0].open != nil {
			return next
		}
		s.saveOpen(backlog[0])
		return next
	}
	// Several closings are stored as one: when they come fast, or after a disk has refused for a while.
	n, size := 0, 0
	for n < len(backlog) && backlog[n].open == nil && (n == 0 || size+len(backlog[n].lines) <= maxRecord) {
		size += len(backlog[n].lines)
		n++
	}
	last := backlog[n-1]
	lines := make([]byte, 0, size)
	for _, it := range backlog[:n] {
		lines = append(lines, it.lines...)
	}
	if err := s.store(closings{last.memory, lines, last.counts, last.position}); err != nil {
		s.report(err)
		time.Sleep(retryEvery)
		return backlog
	}
	s.report(nil)
	s.waiting.Add(-int64(size))
	s.stored(last.safe)
	return backlog[n:]
}

// report says what the disk did: in the log at the first failure, then once a minute, and when it is over.
func (s *Store) report(err error) {
	s.healthy(err)
	now := time.Now()
	switch {
	case err == nil && !s.failing.IsZero():
		s.log.Info("the disk takes windows again", "after", now.Sub(s.failing).Round(time.Millisecond))
		s.failing, s.said = time.Time{}, time.Time{}
	case err != nil && now.Sub(s.said) >= time.Minute:
		if s.failing.IsZero() {
			s.failing = now
		}
		s.log.Error("closed windows wait in memory: the disk does not take them", "bytes", s.waiting.Load(), "error", err)
		s.said = now
	}
}

func (s *Store) store(c closings) error {
	content, err := checkpoint.Encode(c)
	if err != nil {
		return err
	}
	if err := checkpoint.Write(s.dir, closedFile, content); err != nil {
		return err
	}
	return s.spool.Append(c.Lines)
}

func (s *Store) saveOpen(it item) {
	start := time.Now()
	err := checkpoint.Write(s.dir, openFile, it.open)
	s.report(err)
	s.saving.Store(int64(it.encoding + time.Since(start)))
}

// more takes what has come meanwhile, without waiting.
func (s *Store) more() []item {
	s.in.mu.Lock()
	defer s.in.mu.Unlock()
	items := s.in.items
	s.in.items = nil
	return items
}

// limit drops the oldest lines past maxWaiting.
func (s *Store) limit(backlog []item) []item {
	over := s.waiting.Load() - maxWaiting
	n := 0
	for ; n < len(backlog) && over > 0; n++ {
		over -= int64(len(backlog[n].lines))
	}
	if n > 0 {
		s.drop(backlog[:n], "the disk does not take them and the memory for them is full")
	}
	return backlog[n:]
}

func (s *Store) drop(items []item, why string) {
	points := 0
	for _, it := range items {
		points += it.points
		s.waiting.Add(-int64(len(it.lines)))
	}
	if points > 0 {
		s.dropped.Add(uint64(points))
		s.log.Error("closed windows could not be stored", "points", points, "reason", why)
	}
}

// Recover reads what an earlier run left in the Store's folder, has the lines of its last windows stored once more,
// and makes set go on from there. It gives the source time which that run had reached, or 0, and the source's position
// when it last stored windows. What cannot be read is said in the log, and left out.
func (s *Store) Recover(set *window.Set) (reached int64, position string) {
	var closed closings
	if found, err := checkpoint.Read(s.dir, closedFile, &closed); err != nil {
		s.log.Error("the record of closed windows is unreadable: windows of before the restart may open again", "error", err)
	} else if found {
		if len(closed.Lines) > 0 {
			s.put(item{lines: closed.Lines, memory: closed.Memory, counts: closed.Counts, position: closed.Position})
		}
		s.restore(set, closed.Memory)
		reached = closed.Memory.Now
	}
	s.recovered = closed.Counts
	var open openFileContent
	if found, err := checkpoint.Read(s.dir, openFile, &open); err != nil {
		s.log.Error("the open windows of before the restart are unreadable, and lost", "error", err)
	} else if found {
		state, counts := open.opened()
		s.restore(set, state)
		reached = max(reached, open.Now)
		if counts.Received > s.recovered.Received {
			s.recovered = counts
		}
	}
	s.recovered = s.recoverShown(s.recovered)
	return reached, closed.Position
}

// Recovered are the counts to go on from, which Recover found.
func (s *Store) Recovered() Counts { return s.recovered }

func (s *Store) restore(set *window.Set, state window.State) {
	if err := set.Restore(state); err != nil {
		s.log.Error("a part of the open windows of before the restart is unreadable, and lost", "error", err)
	}
}

// KeepCheckpoints has the Receiver's open windows saved once a second, or, if that takes longer than a twentieth
// of a second, so seldom that it takes at most a twentieth of the time.
func KeepCheckpoints(ctx context.Context, r *Receiver, s *Store) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(time.Second, 20*s.Saving())):
			r.Checkpoint()
		}
	}
}
