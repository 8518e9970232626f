package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/data"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/frame"
	"colorstream/grafana/plugin/live"
)

// QueryData answers queries. One that is to stream gets the name of its channel, and no rows: they
// come with the subscription. Every other gets the rows of its time range, and keeps the receiver
// running for two minutes, so that an alert rule finds them the next time.
func (s *source) QueryData(
	_ context.Context, req *backend.QueryDataRequest,
) (*backend.QueryDataResponse, error) {
	answer := backend.NewQueryDataResponse()
	for _, q := range req.Queries {
		f, err := s.answer(q)
		if err != nil {
			answer.Responses[q.RefID] = backend.ErrDataResponse(backend.StatusBadRequest, err.Error())
			continue
		}
		answer.Responses[q.RefID] = backend.DataResponse{Frames: data.Frames{f}}
	}
	return answer, nil
}

func (s *source) answer(q backend.DataQuery) (*data.Frame, error) {
	want, err := channel.FromJSON(q.JSON)
	if err != nil {
		return nil, err
	}
	var mode struct {
		Live bool // set by the front end for panels that follow the time
	}
	_ = json.Unmarshal(q.JSON, &mode) // it was read before
	ring, draw := s.stream(want)
	if mode.Live {
		f := draw(nil)
		f.Meta.Channel, err = want.Channel(s.uid)
		return f, err
	}
	s.live.Lease(want.Colors)
	from, to := q.TimeRange.From.UnixNano(), q.TimeRange.To.UnixNano()
	rows, _, _ := ring.After(0, from)
	f := frame.Labelled(draw(slices.DeleteFunc(rows, func(r live.Row) bool { return r.At > to })))
	s.notice(f, want)
	return f, nil
}

// notice says which colours a frame has not.
func (s *source) notice(f *data.Frame, q channel.Query) {
	if _, hidden := s.live.Colors(); hidden > 0 && len(q.Colors) == 0 {
		f.AppendNotices(data.Notice{
			Severity: data.NoticeSeverityInfo,
			Text:     fmt.Sprintf("%d more colours are not shown: name those that you want", hidden),
		})
	}
}
