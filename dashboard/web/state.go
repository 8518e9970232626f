package web

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"colorstream/dashboard/latest"
	"colorstream/dashboard/live"
)

// A Grafana is what the page must know of Grafana.
type Grafana struct {
	Available bool   // it answers and has the dashboard
	Reason    string // why not, for anyone to read
	Panels    []int  // the panels that the dashboard has
	Revision  string // changes when the dashboard does
}

// A state is the status line in words, and what the script must know beside the rows. It is an
// event whenever it changes, and every ten seconds, so that both ends notice a dead connection.
type state struct {
	Now      int64    `json:"now_ms"`
	Newest   int64    `json:"newest_ms"` // the newest window's start, 0 if there is none
	Kind     string   `json:"kind"`      // live, waiting, stale or offline
	Word     string   `json:"word"`
	Facts    []string `json:"facts"`
	Panels   []int    `json:"panels"` // of Grafana, none if it is not there
	Revision string   `json:"revision"`
	Parts    string   `json:"parts"` // what the page is connected to
}

func (s *Server) state(m *moment, now time.Time) state {
	g := s.grafana()
	st := state{Now: now.UnixMilli(), Kind: "live", Word: "Live", Parts: "Data from InfluxDB", Panels: []int{}}
	if g.Available {
		st.Panels, st.Revision, st.Parts = g.Panels, g.Revision, st.Parts+", panels from Grafana"
	}
	st.Facts = []string{plural(len(m.Colors), "colour")}
	if m.Omitted > 0 {
		st.Facts = append(st.Facts, formatCount(int64(m.Omitted))+" more not shown")
	}
	age := now.Sub(m.Newest) - m.config.Window
	switch {
	case errors.Is(m.Failure, latest.ErrNotRead):
		st.Kind, st.Word = "waiting", "Connecting"
	case m.Failure != nil:
		st.Kind, st.Word = "offline", latest.Reason(m.Failure)
	case len(m.Colors) == 0:
		st.Kind, st.Word = "waiting", "Waiting for messages"
	case age > m.config.Stale:
		st.Kind, st.Word = "stale", "No new data"
		if age >= time.Minute { // it is spoken, and so changes seldom
			st.Word += " for " + formatSpan(age.Truncate(time.Minute))
		}
	default:
		rate := m.rate()
		text := formatCount(int64(rate + 0.5))
		if rate < 10 {
			text = fmt.Sprintf("%.1f", rate)
		}
		st.Facts = append(st.Facts, text+" messages a second")
	}
	if !m.Newest.IsZero() {
		st.Newest = m.Newest.UnixMilli()
	}
	return st
}

// same reports whether nothing but the time has changed.
func (st state) same(before state) bool {
	st.Now = before.Now
	return reflect.DeepEqual(st, before)
}

// The state is looked at in this interval; without new windows the rows are, too, for they age.
const (
	stateInterval = 250 * time.Millisecond
	beatInterval  = 10 * time.Second
	agingInterval = 5 * time.Second
)

// Run tells every browser of what changes by itself, until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(stateInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.age(now)
			s.tell(now)
		}
	}
}

func (s *Server) wholeState() *live.Frame { return s.frame("state", s.state(s.moment(), time.Now())) }

// tell publishes the state if it has changed or was not told for long.
func (s *Server) tell(now time.Time) {
	s.telling.Lock()
	defer s.telling.Unlock()
	st := s.state(s.moment(), now)
	if st.same(s.told) && now.UnixMilli()-s.told.Now < beatInterval.Milliseconds() {
		return
	}
	s.told = st
	frame := s.frame("state", st)
	s.states.Publish(frame, s.wholeState)
}
