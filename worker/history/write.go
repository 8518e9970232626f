package history

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"colorstream/worker/influx"
	"colorstream/worker/outbox"
	"colorstream/worker/window"
)

// senders is how many requests are under way at a time.
const senders = 2

// write sends all points, as fast as InfluxDB takes them.
func (i *importer) write(ctx context.Context, client *influx.Client) error {
	i.begin("writing", int64(i.sorter.Len()))
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	points := influx.NewWriter(i.log, client.Write, i)
	batches := make(chan []byte, 2*senders)
	again := outbox.NewSender(i.log, "points", nil).Trying(ctx, ctx.Done())
	try := func(act func() error) error {
		return again(func() error {
			err := act()
			if answer, ok := errors.AsType[*influx.WriteError](err); ok && answer.Permanent() {
				fail(err) // the token, bucket or address is no longer right
			}
			return err
		})
	}
	var sending sync.WaitGroup
	for range senders {
		sending.Go(func() {
			for lines := range batches {
				if _, err := points.Write(ctx, try, lines); err != nil {
					fail(err)
				}
			}
		})
	}
	err := i.produce(ctx, batches)
	close(batches)
	sending.Wait()
	return cmp.Or(context.Cause(ctx), err)
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
		for _, point := range p.Points() {
			lines = append(point.AppendLine(lines), '\n')
			points++
		}
		if points < influx.MaxLines {
			return nil
		}
		return send()
	}, i.tally.Reject)
	if err == nil && points > 0 {
		err = send()
	}
	return err
}

// Answered implements influx.Observer.
func (i *importer) Answered(time.Duration, influx.Class) {}

// Written implements influx.Observer.
func (i *importer) Written(points int) { i.written.Add(int64(points)) }

// Rejected implements influx.Observer.
func (i *importer) Rejected(points int, _ influx.Class) { i.rejected.Add(int64(points)) }
