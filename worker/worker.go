package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"colorstream/worker/deadletter"
	"colorstream/worker/influx"
	"colorstream/worker/outbox"
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
// the committer computes statistics and saves them with the state they leave behind, and the
// senders bring lines to InfluxDB and dead letters to Redis, and remove them when they are
// acknowledged.
type worker struct {
	source  receiver
	windows *aggregator
	commits *committer
	store   store.Store
	senders senders
	// stopTimeout is how long lines are sent after the last commit.
	stopTimeout time.Duration
}

// newWorker puts a worker together that goes on from what was saved.
func newWorker(
	log *slog.Logger, src receiver, set *window.Set, position source.Position, s store.Store,
	m *metrics, to senders, isStream bool,
) *worker {
	commits := &committer{
		log: log, store: s, metrics: m, retry: !isStream, wake: make(chan struct{}, 1),
		parts: make(map[int64][]byte),
	}
	every, stopTimeout := commitEvery, stopPubSub
	if isStream {
		every, stopTimeout = commitStreamEvery, stopStream
	}
	return &worker{
		source: src, store: s, senders: to, commits: commits, stopTimeout: stopTimeout,
		windows: &aggregator{
			set: set, letters: deadletter.NewCollector(m.dropLetters), commits: commits,
			position: position, handedID: position.ID, keepParts: !isStream, every: every,
		},
	}
}

// resume makes the windows as they were at the last commit; refill gives them their values back.
// The state holds none, and windows that do not get all are incomplete.
func resume(
	log *slog.Logger, cfg window.Config, saved store.Saved,
	refill func(*window.Set, source.Position) error,
) (*window.Set, source.Position, error) {
	if len(saved.State) == 0 {
		return window.NewSet(cfg), source.Position{}, nil
	}
	var state savedState
	if err := json.Unmarshal(saved.State, &state); err != nil {
		return nil, source.Position{}, fmt.Errorf("the saved state cannot be read: %w", err)
	}
	set := window.Restore(cfg, state.Windows)
	position := source.Position{ID: saved.Position, Entries: state.Entries}
	if err := refill(set, position); err != nil {
		return nil, position, err
	}
	if missing := set.Check(state.Windows); missing > 0 {
		log.Error("messages of open windows are gone: the windows are incomplete", "messages", missing)
	}
	return set, position, nil
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
	senders.Go(func() { w.senders.lines.Run(sending, w.store, store.Lines, w.stopTimeout) })
	senders.Go(func() { w.senders.letters.Run(sending, w.store, store.Letters, w.stopTimeout) })

	receiveErr := w.source.Run(receiving, w.windows)
	w.windows.close()
	commits.Wait()
	stopSending()
	senders.Wait()
	return errors.Join(receiveErr, commitErr)
}

// senders bring what waits in stores to where it belongs. All workers of a process share them.
type senders struct{ lines, letters *outbox.Sender }

// newSenders makes them: lines go to InfluxDB, and what it rejects for ever becomes dead letters,
// which go to a stream of Redis.
func newSenders(
	log *slog.Logger, client *influx.Client, node store.Node, stream string, replicas int, m *metrics,
) senders {
	points := influx.NewWriter(log, client.Write, m)
	letters := deadletter.NewWriter(log, node, stream, replicas,
		func(n int) { m.letters.Add(float64(n)) }, m.dropLetters)
	return senders{
		lines: outbox.NewSender(log, "points", func(
			ctx context.Context, batches []store.Batch, try outbox.Try,
		) ([]byte, error) {
			texts := make([][]byte, len(batches))
			for i, b := range batches {
				texts[i] = b.Data
			}
			rejected, err := points.Write(ctx, try, texts...)
			if err != nil {
				return nil, err
			}
			for _, b := range batches {
				m.delivery.Observe(max(0, time.Since(b.At).Seconds()))
			}
			return encodeRejected(rejected, m.dropLetters), nil
		}),
		letters: outbox.NewSender(log, "dead letters", func(
			ctx context.Context, batches []store.Batch, try outbox.Try,
		) ([]byte, error) {
			for _, b := range batches {
				if err := letters.Write(ctx, try, b.Data); err != nil {
					return nil, err
				}
			}
			return nil, nil
		}),
	}
}

// encodeRejected makes dead letters of lines that InfluxDB will never take.
func encodeRejected(lines []influx.RejectedLine, dropped func(int)) []byte {
	letters := deadletter.NewCollector(dropped)
	for _, l := range lines {
		letters.Add(deadletter.Letter{
			Reason: "influxdb", Payload: l.Reason + ": " + string(l.Line), At: time.Now(),
		})
	}
	return letters.Take()
}
