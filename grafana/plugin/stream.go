package main

import (
	"context"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/live"
)

// SubscribeStream lets a panel in, with the last minutes to begin with. Who may query the data
// source may watch.
func (s *source) SubscribeStream(_ context.Context, req *backend.SubscribeStreamRequest) (*backend.SubscribeStreamResponse, error) {
	q, err := channel.Parse(req.Path)
	if err != nil {
		return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusNotFound}, nil
	}
	r := s.reader(q)
	f := r.frame(time.Now().Add(-live.Memory), maxFirst)
	s.notice(f, q)
	initial, err := backend.NewInitialFrame(f, data.IncludeAll)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.begun[req.Path] = r.position()
	s.mu.Unlock()
	return &backend.SubscribeStreamResponse{Status: backend.SubscribeStreamStatusOK, InitialData: initial}, nil
}

// PublishStream lets nobody publish.
func (s *source) PublishStream(context.Context, *backend.PublishStreamRequest) (*backend.PublishStreamResponse, error) {
	return &backend.PublishStreamResponse{Status: backend.PublishStreamStatusPermissionDenied}, nil
}

// RunStream sends what comes, for all panels that watch one channel. Grafana starts it with the
// first of them, and ends it some seconds after the last has gone.
//
// Every frame has its schema: whoever has just subscribed may have missed the frame with a new
// colour.
func (s *source) RunStream(ctx context.Context, req *backend.RunStreamRequest, sender *backend.StreamSender) error {
	q, err := channel.Parse(req.Path)
	if err != nil {
		return nil // an error would have Grafana try again for ever
	}
	defer s.subscription.Watch(q.Colors)()
	r := s.reader(q)
	s.mu.Lock()
	position, ok := s.begun[req.Path]
	delete(s.begun, req.Path)
	s.mu.Unlock()
	if ok {
		r.seek(position)
	} else {
		r.frame(time.Now(), 0) // goes to the end
	}
	for {
		f, changed := r.more()
		if f != nil {
			if err := sender.SendFrame(f, data.IncludeAll); err != nil {
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
