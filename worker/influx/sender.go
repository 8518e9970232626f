package influx

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

// A Batch is lines that one commit put into the outbox.
type Batch struct {
	ID   string
	Data []byte // line protocol
	At   time.Time
}

// An Outbox keeps batches until they are removed. An error may pass: the Sender calls again.
type Outbox interface {
	// Oldest returns the oldest batches, some MiB at most, and none if the outbox is empty.
	Oldest(context.Context) ([]Batch, error)
	// Remove removes batches that Oldest returned, and saves letters, which may be nil, before that
	// or together with it. It may be repeated after an error.
	Remove(ctx context.Context, ids []string, letters []byte) error
	// More is signalled when there may be something new.
	More() <-chan struct{}
}

// A RejectedLine is one that InfluxDB will never take.
type RejectedLine struct {
	Line   []byte
	Reason string // InfluxDB's, at most about 300 bytes
}

// An Observer counts what Senders do. It must not block, and several goroutines may call it.
type Observer interface {
	// Answered: one request took so long; class is "" if it succeeded.
	Answered(took time.Duration, class Class)
	// Written counts points that InfluxDB has.
	Written(points int)
	// Rejected counts points that it never will have, by class: rejected, too_old or too_large.
	Rejected(points int, class Class)
	// Delivered: a batch left the outbox after so long.
	Delivered(waited time.Duration)
}

const (
	sayEvery     = time.Minute
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = 10 * time.Second
	minBackoff   = 20 * time.Millisecond
)

// A Sender writes batches to InfluxDB, the oldest first. However long InfluxDB is away, it holds no
// more in memory than what one call of Oldest returned.
type Sender struct {
	log      *slog.Logger
	write    func(ctx context.Context, lines []byte) error
	encode   func([]RejectedLine) []byte
	observer Observer

	mu        sync.Mutex
	lastError error               // nil after a success
	since     time.Time           // when the failures began of which lastError is the last
	said      map[Class]time.Time // when each class was logged last
	told      bool                // reports whether the present failures were logged
}

// NewSender returns a Sender. Encode makes dead letters of lines, for the outbox to save.
func NewSender(
	log *slog.Logger, client *Client, encode func([]RejectedLine) []byte, observer Observer,
) *Sender {
	return newSender(log, client.Write, encode, observer)
}

func newSender(
	log *slog.Logger, write func(context.Context, []byte) error,
	encode func([]RejectedLine) []byte, observer Observer,
) *Sender {
	return &Sender{
		log: log, write: write, encode: encode, observer: observer, said: make(map[Class]time.Time),
	}
}

// LastError returns why the last attempt failed, nil if it succeeded. Any goroutine may call it.
func (s *Sender) LastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastError
}

// Run sends until ctx ends, and then what is in the outbox, for at most stopTimeout and as long as
// InfluxDB takes it; the rest stays in the outbox. Each outbox has a Run of its own.
func (s *Sender) Run(ctx context.Context, outbox Outbox, stopTimeout time.Duration) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(stopTimeout, cancel)
		context.AfterFunc(work, func() { timer.Stop() })
	})()
	r := &run{Sender: s, outbox: outbox, stopping: ctx.Done()}
	r.delivery = delivery{
		write: r.request, written: s.observer.Written, rejected: r.reject, maxBytes: MaxBytes,
	}
	for {
		sent, err := r.sendOldest(work)
		switch {
		case err != nil:
			s.log.Info("stopped before everything was sent; the rest stays in the store", "error", err)
			return
		case sent:
		case ctx.Err() != nil:
			return
		default:
			select {
			case <-outbox.More():
			case <-ctx.Done():
			}
		}
	}
}

// A run is one call of Run.
type run struct {
	*Sender
	outbox   Outbox
	stopping <-chan struct{}
	delivery delivery
	rejected []RejectedLine
	failures int // in a row
}

// sendOldest delivers the oldest batches and removes them. It returns false if there are none, and
// an error only when the run is to stop.
func (r *run) sendOldest(ctx context.Context) (sent bool, err error) {
	var batches []Batch
	err = r.retry(ctx, func() (err error) {
		if batches, err = r.outbox.Oldest(ctx); err != nil {
			return fmt.Errorf("read the outbox: %w", err)
		}
		return nil
	})
	if err != nil || len(batches) == 0 {
		return false, err
	}
	var ids []string
	var texts [][]byte
	for _, b := range batches {
		ids, texts = append(ids, b.ID), append(texts, b.Data)
	}
	r.rejected = nil
	if err := r.delivery.send(ctx, texts...); err != nil {
		return false, err
	}
	var letters []byte
	if len(r.rejected) > 0 {
		letters = r.encode(r.rejected)
	}
	err = r.retry(ctx, func() error {
		if err := r.outbox.Remove(ctx, ids, letters); err != nil {
			return fmt.Errorf("remove sent points from the outbox: %w", err)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, b := range batches {
		r.observer.Delivered(max(0, time.Since(b.At)))
	}
	return true, nil
}

// request sends one request until InfluxDB takes or rejects it.
func (r *run) request(ctx context.Context, lines []byte) (answer *WriteError, err error) {
	err = r.retry(ctx, func() error {
		start := time.Now()
		err := r.write(ctx, lines)
		answer, _ = errors.AsType[*WriteError](err)
		switch {
		case answer != nil:
			r.observer.Answered(time.Since(start), answer.Class)
			if !answer.Class.final() {
				return err
			}
		case err != nil:
			return err
		default:
			r.observer.Answered(time.Since(start), "")
		}
		r.recovered()
		return nil
	})
	return answer, err
}

// reject counts lines that InfluxDB will never take. Those that are too old are no dead letters:
// there may be any number, and nothing is wrong with them.
func (r *run) reject(lines [][]byte, class Class, reason string) {
	r.observer.Rejected(len(lines), class)
	message := "InfluxDB rejects points; they are dead letters"
	if class == TooOld {
		message = "points are older than the bucket keeps; they are only counted"
	} else {
		for _, line := range lines {
			r.rejected = append(r.rejected, RejectedLine{line, reason})
		}
	}
	if r.say(class) {
		r.log.Warn(message, "points", len(lines), "reason", reason, "first", shorten(string(lines[0])))
	}
}

// say reports whether the class was not logged for a minute. Points that are too old are said once.
func (s *Sender) say(class Class) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, ok := s.said[class]
	if ok && (class == TooOld || time.Since(last) < sayEvery) {
		return false
	}
	s.said[class] = time.Now()
	return true
}

var errStopping = errors.New("InfluxDB or the store did not do it in time")

// retry calls f until it succeeds, with back-off. When the run is to stop the wait ends at once,
// and the next failure is the end.
func (r *run) retry(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return errStopping
		}
		r.failures++
		r.failed(err, r.failures)
		select {
		case <-r.stopping:
			return err
		default:
		}
		wait := backoff(r.failures - 1)
		if answer, ok := errors.AsType[*WriteError](err); ok {
			wait = max(wait, answer.RetryAfter)
		}
		select {
		case <-time.After(wait):
		case <-r.stopping:
		}
	}
}

// backoff returns how long to wait after so many failures: exponential, with full jitter so that
// several workers do not come back together.
func backoff(failures int) time.Duration {
	most := maxBackoff
	if failures < 10 {
		most = min(maxBackoff, firstBackoff<<failures)
	}
	return minBackoff + rand.N(most)
}

// failed notes an error, and logs each class at most once a minute.
func (s *Sender) failed(err error, attempt int) {
	s.mu.Lock()
	if s.lastError == nil {
		s.since = time.Now()
	}
	s.lastError = err
	since := s.since
	s.mu.Unlock()
	class, level := Class("store"), slog.LevelWarn
	if answer, ok := errors.AsType[*WriteError](err); ok {
		if class = answer.Class; class.permanent() {
			level = slog.LevelError
		}
	}
	if s.say(class) {
		s.log.Log(context.Background(), level, "points are kept, not sent",
			"error", err, "for", time.Since(since).Round(time.Second), "attempt", attempt)
		s.mu.Lock()
		s.told = true
		s.mu.Unlock()
	}
}

// recovered notes a success.
func (r *run) recovered() {
	r.failures = 0
	s := r.Sender
	s.mu.Lock()
	told := s.lastError != nil && s.told
	since := s.since
	s.lastError, s.told = nil, false
	s.mu.Unlock()
	if told {
		s.log.Info("points are sent again", "after", time.Since(since).Round(time.Millisecond))
	}
}
