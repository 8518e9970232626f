package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"colorstream/worker/deadletter"
	"colorstream/worker/influx"
	"colorstream/worker/source"
	"colorstream/worker/store"
	"colorstream/worker/window"
)

// After the last commit lines are sent for so long. A stream's next owner sends the rest, and waits
// for the partition meanwhile.
const (
	stopPubSub = 5 * time.Second
	stopStream = 200 * time.Millisecond
)

// A receiver is what brings messages: Pub/Sub or a stream.
type receiver interface {
	Run(context.Context, source.Sink) error
}

// A worker turns the messages of one source into points in InfluxDB:
//
//	source ──messages, time, gaps──► windows ──panes, state──► store ──lines──► InfluxDB
//	(receives)                       (pure)                    (one atomic commit)
//
// Each arrow is a goroutine's end: the source's goroutine adds messages to windows and never waits,
// the committer computes statistics and saves them with the state they leave behind, and the senders
// bring lines to InfluxDB and dead letters to Redis, and remove them when they are acknowledged.
type worker struct {
	log     *slog.Logger
	source  receiver
	windows *aggregator
	commits *committer
	store   store.Store
	sender  *influx.Sender
	letters *deadletter.Writer
	// stopTimeout is how long lines are sent after the last commit.
	stopTimeout time.Duration
}

// newWorker puts a worker together that goes on from what was saved.
func newWorker(
	log *slog.Logger, s store.Store, saved store.Saved, set *window.Set, position source.Position, m *metrics,
	sender *influx.Sender, letters *deadletter.Writer, isStream bool,
) *worker {
	commits := newCommitter(log, s, saved, &m.totals, m, !isStream)
	every, stopTimeout := commitEvery, stopPubSub
	if isStream {
		every, stopTimeout = commitStreamEvery, stopStream
	}
	return &worker{
		log: log, store: s, sender: sender, letters: letters, commits: commits, stopTimeout: stopTimeout,
		windows: &aggregator{
			log: log, set: set, letters: deadletter.NewCollector(m), commits: commits, position: position,
			handedID: position.ID, keepParts: !isStream, every: every,
		},
	}
}

// run works until ctx ends or something fails, and stops in the order of the data: the source, the
// last commit, and what can be sent of it.
func (w *worker) run(ctx context.Context) error {
	lasting := context.WithoutCancel(ctx)
	receiving, stopReceiving := context.WithCancel(ctx)
	defer stopReceiving()
	sending, stopSending := context.WithCancel(lasting)
	defer stopSending()

	var commits, senders sync.WaitGroup
	var commitErr error
	commits.Go(func() {
		commitErr = w.commits.run(lasting)
		stopReceiving()
	})
	senders.Go(func() { w.sender.Run(sending, linesQueue{w.store}, w.stopTimeout) })
	senders.Go(func() { w.letters.Run(sending, letterQueue{w.store}) })

	receiveErr := w.source.Run(receiving, w.windows)
	w.windows.close()
	commits.Wait()
	stopSending()
	senders.Wait()
	return errors.Join(receiveErr, commitErr)
}

// A linesQueue is the store's queue of lines, as the sender sees it.
type linesQueue struct{ store store.Store }

func (q linesQueue) Oldest(ctx context.Context) ([]influx.Batch, error) {
	batches, err := q.store.Oldest(ctx, store.Lines)
	list := make([]influx.Batch, len(batches))
	for i, b := range batches {
		list[i] = influx.Batch{ID: b.ID, Data: b.Data, At: b.At}
	}
	return list, err
}

// Remove removes batches that InfluxDB acknowledged, but for lines that it rejected for good: these
// are dead letters.
func (q linesQueue) Remove(ctx context.Context, ids []string, rejected []byte) error {
	return q.store.Remove(ctx, store.Lines, ids, rejected)
}

func (q linesQueue) More() <-chan struct{} { return q.store.More(store.Lines) }

// A letterQueue is the store's queue of dead letters, as their writer sees it.
type letterQueue struct{ store store.Store }

func (q letterQueue) Oldest(ctx context.Context) ([]deadletter.Batch, error) {
	batches, err := q.store.Oldest(ctx, store.Letters)
	list := make([]deadletter.Batch, len(batches))
	for i, b := range batches {
		list[i] = deadletter.Batch{ID: b.ID, Data: b.Data}
	}
	return list, err
}

func (q letterQueue) Remove(ctx context.Context, ids []string) error {
	return q.store.Remove(ctx, store.Letters, ids, nil)
}

func (q letterQueue) More() <-chan struct{} { return q.store.More(store.Letters) }
