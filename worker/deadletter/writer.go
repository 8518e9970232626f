package deadletter

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	streamLength = 10_000 // entries that the stream keeps, about
	pipeline     = 256    // letters in one round trip
	retryEvery   = time.Second
	sayEvery     = time.Minute
	// dropAfter is how long Redis may reject letters for good before they are dropped. Somebody who
	// watches the log has time to mend it; the store does not grow for ever.
	dropAfter = time.Minute
	// stopTimeout is how long a Writer goes on once it is to stop.
	stopTimeout = 2 * time.Second
)

// A Batch is some encoded letters that wait in a queue.
type Batch struct {
	ID   string
	Data []byte
}

// A Queue holds letters until they are removed. An error may pass: the Writer calls again.
type Queue interface {
	// Oldest returns the oldest batches, some MiB at most, and none if the queue is empty.
	Oldest(context.Context) ([]Batch, error)
	// Remove removes batches that Oldest returned. It may be repeated after an error.
	Remove(ctx context.Context, ids []string) error
	// More is signalled when there may be something new.
	More() <-chan struct{}
}

// A Writer brings letters from queues to a Redis stream.
type Writer struct {
	log      *slog.Logger
	client   redis.UniversalClient
	stream   string
	observer Observer

	mu       sync.Mutex
	failing  time.Time // since when writing fails, zero while it does not
	rejected time.Time // since when Redis rejects for good, zero while it does not
	said     time.Time // when that was logged last
}

// NewWriter returns a Writer to the stream. For Run to end in time, the client should obey a
// context's deadline (ContextTimeoutEnabled) and not retry by itself (MaxRetries of -1).
func NewWriter(
	log *slog.Logger, client redis.UniversalClient, stream string, observer Observer,
) *Writer {
	return &Writer{log: log, client: client, stream: stream, observer: observer}
}

// Run writes what comes into the queue until ctx ends, and then what waits there, for at most two
// seconds. Each queue has a Run of its own.
func (w *Writer) Run(ctx context.Context, queue Queue) {
	for ctx.Err() == nil {
		w.drain(ctx, queue, func() bool { return sleep(ctx, retryEvery) })
		select {
		case <-queue.More():
		case <-ctx.Done():
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	w.drain(last, queue, func() bool { return false })
}

// drain writes and removes all that waits. After a failure it asks retry whether to go on.
func (w *Writer) drain(ctx context.Context, queue Queue, retry func() bool) {
	for {
		batches, ok := w.oldest(ctx, queue, retry)
		if !ok || len(batches) == 0 {
			return
		}
		var ids []string
		for _, b := range batches {
			ids = append(ids, b.ID)
			letters, err := Decode(b.Data)
			if err != nil {
				w.log.Error("dead letters are lost", "error", err)
				w.observer.LettersDropped(bytes.Count(b.Data, []byte("\n")) - len(letters))
			}
			for letters := range slices.Chunk(letters, pipeline) {
				if !w.write(ctx, letters, retry) {
					return
				}
			}
		}
		if !w.remove(ctx, queue, ids, retry) {
			return
		}
	}
}

const storeFails = "dead letters wait: the store fails"

func (w *Writer) oldest(ctx context.Context, queue Queue, retry func() bool) ([]Batch, bool) {
	for {
		batches, err := queue.Oldest(ctx)
		if err == nil {
			return batches, true
		}
		if w.failed(ctx, storeFails, err, false); !retry() {
			return nil, false
		}
	}
}

func (w *Writer) remove(ctx context.Context, queue Queue, ids []string, retry func() bool) bool {
	for {
		err := queue.Remove(ctx, ids)
		if err == nil {
			return true
		}
		if w.failed(ctx, storeFails, err, false); !retry() {
			return false
		}
	}
}

// write brings letters to Redis, or drops them after Redis rejected them for long enough. It reports
// whether it did either.
func (w *Writer) write(ctx context.Context, letters []Letter, retry func() bool) bool {
	for {
		rest, err := w.add(ctx, letters)
		if n := len(letters) - len(rest); n > 0 {
			w.observer.LettersWritten(n)
		}
		if letters = rest; err == nil {
			w.recovered()
			return true
		}
		if w.failed(ctx, "dead letters wait: Redis does not take them", err, permanent(err)) {
			w.observer.LettersDropped(len(letters))
			return true
		}
		if !retry() {
			return false
		}
	}
}

// add adds letters to the stream and returns those that Redis did not take, with its first error.
func (w *Writer) add(ctx context.Context, letters []Letter) (rest []Letter, err error) {
	cmds, err := w.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, l := range letters {
			p.XAdd(ctx, &redis.XAddArgs{
				Stream: w.stream, MaxLen: streamLength, Approx: true,
				Values: []any{
					"reason", l.Reason, "payload", l.Payload, "at", l.At.Format(time.RFC3339Nano),
				},
			})
		}
		return nil
	})
	if err == nil {
		return nil, nil
	}
	for i, cmd := range cmds {
		if cmd.Err() != nil {
			rest = append(rest, letters[i])
		}
	}
	return rest, err
}

// failed logs a failure that passes once, and a permanent one once a minute. It reports whether
// letters are to be dropped.
func (w *Writer) failed(ctx context.Context, message string, err error, permanent bool) bool {
	if ctx.Err() != nil {
		return false // it says no more than that
	}
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	level, say := slog.LevelWarn, w.failing.IsZero()
	if say {
		w.failing = now
	}
	if !permanent {
		w.rejected = time.Time{}
	} else {
		if w.rejected.IsZero() {
			w.rejected, w.said = now, time.Time{}
		}
		level, say = slog.LevelError, now.Sub(w.said) >= sayEvery
	}
	drop := permanent && now.Sub(w.rejected) >= dropAfter
	if say {
		w.said = now
		w.log.Log(ctx, level, message, "stream", w.stream, "error", err, "dropped", drop)
	}
	return drop
}

func (w *Writer) recovered() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.failing.IsZero() {
		w.log.Info("dead letters are written again", "stream", w.stream,
			"after", time.Since(w.failing).Round(time.Millisecond))
	}
	w.failing, w.rejected = time.Time{}, time.Time{}
}

// temporary are the words in replies of a Redis that will take the command later. They begin a
// reply, or stand in that of an aborted transaction or script.
var temporary = []string{
	"OOM", "LOADING", "READONLY", "MISCONF", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN", "TRYAGAIN",
	"BUSY", "max number of clients",
}

// permanent reports whether Redis rejects the command and will not take it until somebody changes
// something, such as a user's permissions (NOPERM) or a key of another type (WRONGTYPE).
func permanent(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	return ok && !slices.ContainsFunc(temporary, func(word string) bool {
		return strings.Contains(reply.Error(), word)
	})
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
