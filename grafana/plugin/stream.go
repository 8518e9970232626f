package main

import (
	"context"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/frame"
	"colorstream/grafana/plugin/live"
)

// maxFirst bounds the rows that a stream begins with. The front end keeps as many.
const maxFirst = 3000

// stream gives a query's rows, and what makes a frame of them.
func (s *source) stream(q channel.Query) (*live.Ring, func([]live.Row) *data.Frame) {
	from := s.live
	columns := func() []string {
		if len(q.Colors) > 0 {
			return q.Colors
		}
		shown, _ := from.Colors()
		return shown
	}
	windows := func(rows []live.Row) *data.Frame {
		return frame.Windows(rows, s.statistics, q.Statistic, columns())
	}
	switch q.Stream {
	case channel.Messages:
		return from.Messages, func(rows []live.Row) *data.Frame { return frame.Messages(rows, columns()) }
	case channel.Rates:
		return from.Rates, func(rows []live.Row) *data.Frame { return frame.Rates(rows, columns()) }
	case channel.Closed:
		return from.Closed, windows
	}
	return from.Partial, windows
}

// SubscribeStream lets a panel in, with the last minutes to begin with. Who may query the data
// source may watch.
func (s *source) SubscribeStream(
	_ context.Context, req *backend.SubscribeStreamRequest,
) (*backend.SubscribeStreamResponse, error) {
	q, err := channel.Parse(req.Path)
	if err != nil {
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	}
	ring, draw := s.stream(q)
	rows, next, _ := ring.After(0, time.Now().Add(-live.Memory).UnixNano())
	f := draw(rows[max(len(rows)-maxFirst, 0):])
	s.notice(f, q)
	initial, err := backend.NewInitialFrame(f, data.IncludeAll)
	if err != nil {
		return nil, err
	}
	s.begun.Store(req.Path, next)
	return &backend.SubscribeStreamResponse{
		Status:      backend.SubscribeStreamStatusOK,
		InitialData: initial,
	}, nil
}

// PublishStream lets nobody publish.
func (s *source) PublishStream(
	context.Context, *backend.PublishStreamRequest,
) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// RunStream sends what comes, for all panels that watch one channel. Grafana starts it with the
// first of them, and ends it some seconds after the last has gone.
//
// Every frame has its schema: whoever has just subscribed may have missed the frame with a new
// colour.
func (s *source) RunStream(
	ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender,
) error {
	q, err := channel.Parse(req.Path)
	if err != nil {
		return nil // an error would have Grafana try again for ever
	}
	s.live.Watch(ctx, q.Colors)
	ring, draw := s.stream(q)
	_, next, _ := ring.After(0, 0)
	if begun, ok := s.begun.LoadAndDelete(req.Path); ok {
		next = begun.(uint64)
	}
	for {
		rows, behind, changed := ring.After(next, 0)
		if next = behind; len(rows) > 0 {
			if err := sender.SendFrame(draw(rows), data.IncludeAll); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
