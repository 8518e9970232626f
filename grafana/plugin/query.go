package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/frame"
)

// firstWait is how long the first query waits for a first row, having started the receiver.
const firstWait = 1500 * time.Millisecond

// QueryData answers queries. One that is to stream gets the name of its channel, and no rows: they
// come with the subscription. Every other gets the rows of its time range, and keeps the receiver
// running for two minutes, so that an alert rule finds them the next time.
func (s *source) QueryData(ctx context.Context, req *backend.QueryDataRequest) (*backend.QueryDataResponse, error) {
	answer := backend.NewQueryDataResponse()
	for _, q := range req.Queries {
		answer.Responses[q.RefID] = s.answer(ctx, q)
	}
	return answer, nil
}

func (s *source) answer(ctx context.Context, q backend.DataQuery) backend.DataResponse {
	want, err := channel.FromJSON(q.JSON)
	if err != nil {
		return backend.ErrDataResponse(backend.StatusBadRequest, err.Error())
	}
	var mode struct {
		// Live is set by the front end for panels that follow the time.
		Live bool `json:"live"`
	}
	_ = json.Unmarshal(q.JSON, &mode) // it was read before
	if mode.Live {
		name, err := want.Channel(s.uid)
		if err != nil {
			return backend.ErrDataResponse(backend.StatusBadRequest, err.Error())
		}
		f := s.reader(want).frame(time.Now(), 0)
		f.Meta.Channel = name
		return backend.DataResponse{Frames: data.Frames{f}}
	}
	s.subscription.Lease(want.Path(), want.Colors)
	r := s.reader(want)
	r.wait(ctx, firstWait)
	f := frame.Labelled(r.frame(q.TimeRange.From, maxRows))
	s.notice(f, want)
	return backend.DataResponse{Frames: data.Frames{until(f, q.TimeRange.To)}}
}

// notice says which colours a frame has not.
func (s *source) notice(f *data.Frame, q channel.Query) {
	if hidden := s.subscription.Buffer.Hidden(); hidden > 0 && len(q.Colors) == 0 {
		f.AppendNotices(data.Notice{
			Severity: data.NoticeSeverityInfo,
			Text:     fmt.Sprintf("%d more colours are not shown: name those that you want", hidden),
		})
	}
}

// until cuts off what is after an instant.
func until(f *data.Frame, to time.Time) *data.Frame {
	if to.IsZero() {
		return f
	}
	for f.Rows() > 0 && f.Fields[0].At(f.Rows()-1).(time.Time).After(to) {
		f.DeleteRow(f.Rows() - 1)
	}
	return f
}
