package web

import (
	"context"
	"encoding/json"
	"reflect"
	"time"

	"colorstream/dashboard/latest"
)

// A state tells how the two are that the page needs, in words.
type state struct {
	InfluxDB dependency `json:"influxdb"`
	Grafana  panel      `json:"grafana"`
}

type dependency struct {
	OK    bool      `json:"ok"`
	Since time.Time `json:"since"`
	Text  string    `json:"text"`
}

type panel struct {
	dependency
	Panels   []int  `json:"panels"`
	Revision string `json:"revision"`
}

// A Panel is what the page must know of Grafana.
type Panel struct {
	Available bool      // it answers and has the dashboard
	Since     time.Time // when that last changed
	Reason    string    // why not, for anyone to read
	Panels    []int     // the panels that the dashboard has
	Revision  string    // changes when the dashboard does
}

// state asks both, which costs nothing.
func (s *Server) state() state {
	snapshot, p := s.source.Snapshot(), s.panel()
	now := state{
		InfluxDB: dependency{OK: snapshot.Failure == nil, Since: snapshot.Since.UTC(), Text: latest.Reason(snapshot.Failure)},
		Grafana:  panel{dependency{p.Available, p.Since.UTC(), p.Reason}, p.Panels, p.Revision},
	}
	if now.InfluxDB.OK {
		now.InfluxDB.Text = "InfluxDB answers"
	}
	if now.Grafana.OK {
		now.Grafana.Text = "Grafana shows the panel"
	}
	if now.Grafana.Panels == nil {
		now.Grafana.Panels = []int{}
	}
	return now
}

// stateInterval is how often the state is looked at, and so how late a change may be told.
const stateInterval = 250 * time.Millisecond

// Run tells every browser of changes of the state, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(stateInterval)
	defer tick.Stop()
	var told state
	for {
		if now := s.state(); !reflect.DeepEqual(now, told) {
			data, err := json.Marshal(now)
			if err != nil {
				return err // times, words and numbers: it cannot be
			}
			s.feed.SetState(data)
			told = now
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
