package main

import (
	"context"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/frame"
	"colorstream/grafana/plugin/live"
)

const (
	// maxRows bounds a query's answer.
	maxRows = 30_000
	// maxFirst bounds the rows that a stream begins with. The front end keeps as many.
	maxFirst = 3000
)

// A reader reads a query's rows, as frames.
type reader interface {
	// frame gives the newest rows since an instant, at most n, and goes to the end.
	frame(since time.Time, n int) *data.Frame
	// more gives the rows that came since the last call, if there are any, and a channel that is
	// closed when there are others.
	more() (*data.Frame, <-chan struct{})
	// wait waits for a first row.
	wait(ctx context.Context, most time.Duration)
	position() uint64
	seek(position uint64)
}

func (s *source) reader(q channel.Query) reader {
	buffer := s.subscription.Buffer
	columns := func() []string { return s.columns(q) }
	switch q.Stream {
	case channel.Messages:
		return &ringReader[live.Sample]{ring: buffer.Messages, make: func(rows []live.Sample) *data.Frame {
			return frame.Messages(rows, columns())
		}}
	case channel.Rates:
		return &ringReader[live.Row]{ring: buffer.Rates, make: func(rows []live.Row) *data.Frame {
			return frame.Rates(rows, columns())
		}}
	}
	ring := buffer.Partial
	if q.Stream == channel.Closed {
		ring = buffer.Closed
	}
	return &ringReader[live.Row]{ring: ring, make: func(rows []live.Row) *data.Frame {
		return frame.Windows(rows, s.statistics, q.Statistic, columns())
	}}
}

type ringReader[T interface{ When() int64 }] struct {
	ring *live.Ring[T]
	make func([]T) *data.Frame
	next uint64
}

func (r *ringReader[T]) frame(since time.Time, n int) *data.Frame {
	var rows []T
	rows, r.next = r.ring.Since(since)
	return r.make(rows[max(len(rows)-n, 0):])
}

func (r *ringReader[T]) more() (*data.Frame, <-chan struct{}) {
	rows, next, changed := r.ring.After(r.next)
	r.next = next
	if len(rows) == 0 {
		return nil, changed
	}
	return r.make(rows), changed
}

func (r *ringReader[T]) wait(ctx context.Context, most time.Duration) {
	rows, _, changed := r.ring.After(0)
	if len(rows) > 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	select {
	case <-changed:
	case <-ctx.Done():
	}
}

func (r *ringReader[T]) position() uint64 { return r.next }

func (r *ringReader[T]) seek(position uint64) { r.next = position }
