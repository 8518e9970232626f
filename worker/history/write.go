package history

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"colorstream/generator/source"
	"colorstream/worker/influx"
	"colorstream/worker/window"
)

const (
	// senders is how many requests are under way at a time.
	senders = 2
	// stopTimeout is how long they go on when no more is to be written.
	stopTimeout = 5 * time.Second
)

// write sends all points, as fast as InfluxDB takes them.
func (i *importer) write(ctx context.Context, client *influx.Client) error {
	i.begin("writing", int64(i.sorter.Len()))
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	noLetters := func([]influx.RejectedLine) []byte { return nil }
	sender := influx.NewSender(i.log, client, noLetters, observer{i, fail})
	batches := make(chan []byte, 2*senders)
	queues := make([]*queue, senders)
	var running sync.WaitGroup
	for n := range queues {
		queues[n] = &queue{batches: batches, drained: make(chan struct{})}
		running.Go(func() { sender.Run(sending, queues[n], stopTimeout) })
	}
	err := i.produce(ctx, batches)
	close(batches)
	for _, q := range queues {
		select {
		case <-q.drained:
		case <-ctx.Done():
		}
	}
	stop()
	running.Wait()
	switch {
	case errors.Is(context.Cause(ctx), errRefused):
		return sender.LastError()
	case err == nil && ctx.Err() != nil:
		err = context.Cause(ctx)
	}
	return err
}

// produce makes the lines of all windows.
func (i *importer) produce(ctx context.Context, batches chan<- []byte) error {
	var lines []byte
	points := 0
	send := func() error {
		select {
		case batches <- lines:
			lines, points = make([]byte, 0, len(lines)+len(lines)/8), 0
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	err := i.windows(ctx, func(p *window.Pane) error {
		var n int
		lines, n = i.encode(lines, p)
		if points += n; points < influx.MaxLines {
			return nil
		}
		return send()
	}, func(r *source.Rejected) { i.tally.Reject(r) })
	if err == nil && points > 0 {
		err = send()
	}
	return err
}

// A queue hands the batches of a channel to the sender, one at a time.
type queue struct {
	batches chan []byte
	held    []byte        // what Oldest returned and nobody removed
	drained chan struct{} // closed when the channel is
}

func (q *queue) Oldest(context.Context) ([]influx.Batch, error) {
	if q.held == nil {
		var more bool
		if q.held, more = <-q.batches; !more {
			if !q.isDrained() {
				close(q.drained)
			}
			return nil, nil
		}
	}
	return []influx.Batch{{Data: q.held, At: time.Now()}}, nil
}

func (q *queue) isDrained() bool {
	select {
	case <-q.drained:
		return true
	default:
		return false
	}
}

func (q *queue) Remove(context.Context, []string, []byte) error {
	q.held = nil
	return nil
}

// More never tells: Oldest waits.
func (q *queue) More() <-chan struct{} { return nil }

// errRefused ends an import whose token, bucket or address is no longer right.
var errRefused = errors.New("InfluxDB refuses")

// observer counts what the sender did.
type observer struct {
	i    *importer
	fail context.CancelCauseFunc
}

func (o observer) Answered(_ time.Duration, class influx.Class) {
	if slices.Contains([]influx.Class{influx.Denied, influx.Missing, influx.Unexpected}, class) {
		o.fail(errRefused)
	}
}

func (o observer) Written(points int)                  { o.i.written.Add(int64(points)) }
func (o observer) Rejected(points int, _ influx.Class) { o.i.rejected.Add(int64(points)) }
func (o observer) Delivered(time.Duration)             {}
