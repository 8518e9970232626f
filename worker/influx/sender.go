package influx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// A Queue keeps what is to be sent. Only the Sender takes from it.
type Queue interface {
	// Next waits for the oldest chunk that was not taken yet. An error other than ctx's may go away: the Sender
	// waits and calls again.
	Next(ctx context.Context) (Chunk, error)
	// TryNext is Next without waiting; it returns false if there is none.
	TryNext() (Chunk, bool, error)
}

// A Chunk is some lines of line protocol.
type Chunk struct {
	Lines []byte
	// At is when the lines came into the queue.
	At time.Time
	// Done makes the queue forget this chunk and all that were taken before it.
	Done func()
}

// An Observer hears what a Sender does, in the Sender's goroutine, and must not block.
type Observer interface {
	// Written: InfluxDB has so many lines more.
	Written(lines int)
	// Answered: one request took so long; class is "" if it succeeded.
	Answered(took time.Duration, class Class)
	// Quarantined: so many lines were put aside.
	Quarantined(lines int)
	// Sent: everything that came into the queue up to at is in InfluxDB, or in the quarantine.
	Sent(at time.Time)
}

// A State tells how a Sender fares.
type State struct {
	// LastSuccess is when InfluxDB last took lines, zero if it never did.
	LastSuccess time.Time
	// Trouble is why sending does not go on, nil if it does; Since is since when.
	Trouble error
	Since   time.Time
}

const (
	// flushTimeout is how long a Sender goes on once it is to stop.
	flushTimeout = 5 * time.Second
	// batchBytes is how much is taken from the queue before it is sent; a chunk may make it more.
	batchBytes    = 2 << 20
	complainEvery = time.Minute
)

// A Sender takes chunks from a queue and writes them to InfluxDB, the oldest first. What it holds in memory is one
// batch, however long InfluxDB is away.
type Sender struct {
	log        *slog.Logger
	queue      Queue
	write      func(ctx context.Context, lines []byte) error
	quarantine func([]Quarantined) error
	observer   Observer

	// These belong to Run.
	delivery   delivery
	stopping   <-chan struct{}
	refused    []Quarantined
	failures   int                 // in a row
	complained map[Class]time.Time // when that was last logged
	told       bool                // whether the present trouble was logged

	mu    sync.Mutex
	state State
}

// NewSender makes a Sender. Nothing happens before Run.
func NewSender(log *slog.Logger, queue Queue, client *Client, quarantine *Quarantine, observer Observer) *Sender {
	return newSender(log, queue, client.Write, quarantine.Add, observer)
}

func newSender(
	log *slog.Logger, queue Queue, write func(context.Context, []byte) error, quarantine func([]Quarantined) error, observer Observer,
) *Sender {
	s := &Sender{
		log: log, queue: queue, write: write, quarantine: quarantine, observer: observer,
		complained: make(map[Class]time.Time),
	}
	s.delivery = delivery{
		write: s.request, written: s.success, trouble: s.trouble, maxBytes: MaxBytes,
		refused: func(line []byte, reason string) {
			s.refused = append(s.refused, quarantined(line, reason, time.Now()))
		},
	}
	return s
}

// State tells how the Sender fares. It may be called by any goroutine.
func (s *Sender) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Run sends until ctx ends. Then it sends what is in the queue, for up to five seconds and as long as InfluxDB takes
// it, and returns; what could not be sent stays in the queue. It returns an error only if the queue fails for good.
func (s *Sender) Run(ctx context.Context) error {
	work, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	s.stopping = ctx.Done()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(flushTimeout, func() { cancel(errStopped) })
		context.AfterFunc(work, func() { timer.Stop() })
	})
	defer stop()
	for {
		chunk, err := s.queue.Next(ctx)
		if ctx.Err() != nil && err != nil {
			break
		}
		if err != nil {
			if err := s.queueTrouble(work, err); err != nil {
				break
			}
			continue
		}
		if err := s.batch(work, chunk); err != nil {
			return s.ended(err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	// Stopping: what the queue has now.
	for {
		chunk, ok, err := s.queue.TryNext()
		if err != nil || !ok {
			return nil
		}
		if err := s.batch(work, chunk); err != nil {
			return s.ended(err)
		}
	}
}

// errStopped ends a batch because the Sender is to stop.
var errStopped = errors.New("stopped before everything was sent")

func (s *Sender) ended(err error) error {
	if errors.Is(err, errStopped) {
		s.log.Info("stopped before everything was sent; the rest stays in the spool", "error", s.State().Trouble)
		return nil
	}
	return err
}

// batch sends a chunk together with those that are there too, and marks them as done.
func (s *Sender) batch(ctx context.Context, chunk Chunk) error {
	text := chunk.Lines
	for len(text) < batchBytes {
		next, ok, err := s.queue.TryNext()
		if err != nil || !ok {
			break // an error comes again at the next call
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		text = append(text, next.Lines...)
		chunk = next
	}
	s.refused = s.refused[:0]
	if err := s.delivery.send(ctx, text); err != nil {
		return err
	}
	if err := s.quarantineRefused(ctx); err != nil {
		return err
	}
	chunk.Done()
	s.observer.Sent(chunk.At)
	return nil
}

// quarantineRefused makes the refused lines durable, however often it must try.
func (s *Sender) quarantineRefused(ctx context.Context) error {
	n := len(s.refused)
	if n == 0 {
		return nil
	}
	s.log.Warn("InfluxDB refuses points; they are in the quarantine (`worker spool ls`, `worker spool resend`)",
		"points", n, "reason", s.refused[0].Reason, "first", shorten(string(s.refused[0].Text())))
	for {
		err := s.quarantine(s.refused)
		if err == nil {
			s.refused = nil // it may be large, and is rare
			s.observer.Quarantined(n)
			return nil
		}
		if err := s.pause(ctx, fmt.Errorf("refused points cannot be put aside: %w", err), 0); err != nil {
			return err
		}
	}
}

// request sends one request and measures it.
func (s *Sender) request(ctx context.Context, lines []byte) error {
	start := time.Now()
	err := s.write(ctx, lines)
	var class Class
	if answer, ok := errors.AsType[*WriteError](err); ok {
		class = answer.Class
	} else if err != nil {
		return err
	}
	s.observer.Answered(time.Since(start), class)
	if class.splits() {
		s.recovered() // InfluxDB is there and judges
	}
	return err
}

func (s *Sender) success(lines int) {
	s.mu.Lock()
	s.state.LastSuccess = time.Now()
	s.mu.Unlock()
	s.recovered()
	s.observer.Written(lines)
}

// trouble waits before the next try.
func (s *Sender) trouble(ctx context.Context, answer *WriteError) error {
	return s.pause(ctx, answer, answer.RetryAfter)
}

func (s *Sender) queueTrouble(ctx context.Context, err error) error {
	return s.pause(ctx, fmt.Errorf("the spool cannot be read: %w", err), 0)
}

// pause notes the trouble, complains of each kind at most once a minute, and waits. When the Sender is to stop the
// wait ends at once, and the next failure is the end.
func (s *Sender) pause(ctx context.Context, trouble error, least time.Duration) error {
	now := time.Now()
	s.mu.Lock()
	if s.state.Trouble == nil {
		s.state.Since = now
	}
	s.state.Trouble = trouble
	since := s.state.Since
	s.mu.Unlock()
	s.failures++
	class, level := Class("other"), slog.LevelWarn
	if answer, ok := errors.AsType[*WriteError](trouble); ok {
		if class = answer.Class; class.holds() {
			level = slog.LevelError
		}
	}
	if last, ok := s.complained[class]; !ok || now.Sub(last) >= complainEvery {
		s.log.Log(ctx, level, "points are kept, not sent",
			"error", trouble, "for", now.Sub(since).Round(time.Second), "attempt", s.failures)
		s.complained[class], s.told = now, true
	}
	wait := max(least, backoff(s.failures-1))
	select {
	case <-s.stopping:
		return errStopped
	default:
	}
	return sleep(ctx, wait, s.stopping)
}

// recovered ends a trouble.
func (s *Sender) recovered() {
	s.mu.Lock()
	was, since := s.state.Trouble, s.state.Since
	s.state.Trouble, s.state.Since = nil, time.Time{}
	s.mu.Unlock()
	if was != nil && s.told {
		s.log.Info("points are sent again", "after", time.Since(since).Round(time.Millisecond))
	}
	s.failures, s.told = 0, false
}
