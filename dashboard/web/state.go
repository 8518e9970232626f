package web

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"colorstream/dashboard/latest"
)

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

func (s *Server) newState(m *moment, now time.Time) *state {
	panels, revision := s.grafana()
	st := &state{
		Now: now.UnixMilli(), Kind: "live", Word: "Live", Parts: "Data from InfluxDB", Panels: []int{},
	}
	if panels != nil {
		st.Panels, st.Revision, st.Parts = panels, revision, st.Parts+", panels from Grafana"
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
func (st *state) same(before *state) bool {
	same := *before
	same.Now = st.Now
	return reflect.DeepEqual(*st, same)
}

// stateNow is the state for one reader, who sets a clock by it.
func (m *moment) stateNow() state {
	st := *m.state
	st.Now = time.Now().UnixMilli()
	return st
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
			s.look(now)
		}
	}
}

// look shows the same windows again when their ages or the state have changed.
func (s *Server) look(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.now.now) >= agingInterval || !s.newState(s.now, now).same(s.now.state) {
		s.show(s.now.Snapshot, now)
	}
}
