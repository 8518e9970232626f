package web

import (
	"net/http"
	"slices"

	"colorstream/dashboard/live"
)

// A tableEvent is a view's table, whole (event rows) or what has changed of it (event change):
//
//	{"statistics":"median,mean","order":["red","blue"],"rows":{"red":"<tr …>"},"found":2,"total":2,"attention":0,"page":0,"pages":1}
//
// | field       | meaning                                                        |
// |-------------|----------------------------------------------------------------|
// | statistics  | the table's, in order: a page that has others must load anew   |
// | order       | the rows' colours from top to bottom; absent if it is the same |
// | rows        | by colour, as they stand in the page; those that have changed  |
// | found       | colours that the search finds                                  |
// | total       | colours in all                                                 |
// | attention   | colours that are stale, silent or incomplete                   |
// | page, pages | which page this is, from 0 on, of how many                     |
type tableEvent struct {
	Statistics string            `json:"statistics"`
	Order      []string          `json:"order,omitzero"`
	Rows       map[string]string `json:"rows"`
	Found      int               `json:"found"`
	Total      int               `json:"total"`
	Attention  int               `json:"attention"`
	Page       int               `json:"page"`
	Pages      int               `json:"pages"`
}

func (m *moment) event(v view) tableEvent {
	return once(m, m.events, v, func() tableEvent {
		colors, e := m.table(v)
		e.Order, e.Rows = make([]string, len(colors)), make(map[string]string, len(colors))
		for i, c := range colors {
			e.Order[i] = c.Color
			e.Rows[c.Color] = execute(m.templates, "row", m.newRow(c, v.Stat, false))
		}
		return e
	})
}

// since leaves out what is in an earlier event, too. It reports whether something is left.
func (e tableEvent) since(before tableEvent) (change tableEvent, changed bool) {
	change = e
	if slices.Equal(e.Order, before.Order) {
		change.Order = nil
	}
	change.Rows = make(map[string]string)
	for name, text := range e.Rows {
		if before.Rows[name] != text {
			change.Rows[name] = text
		}
	}
	return change, len(change.Rows) > 0 || change.Order != nil || e.Found != before.Found ||
		e.Total != before.Total || e.Attention != before.Attention || e.Pages != before.Pages
}

// frame is what has changed of the state and of a view since an earlier moment; without one, the
// whole view.
func (m *moment) frame(v view, before *moment) *live.Frame {
	key := frameKey{view: v}
	if before != nil {
		key.before = before.number
	}
	return once(m, m.frames, key, func() *live.Frame {
		frame := new(live.Frame)
		if before == nil {
			frame.Add("rows", encode(m.event(v)))
			return frame
		}
		if m.state != before.state {
			frame.Add("state", encode(m.state))
		}
		if change, changed := m.event(v).since(before.event(v)); changed {
			frame.Add("change", encode(change))
		}
		return frame
	})
}

// follow answers /events: the state and a view's table, as they change.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	m := s.moment()
	v := readView(r.URL.Query(), m.Statistics)
	first := new(live.Frame)
	first.Add("state", encode(m.stateNow()))
	var before *moment
	s.events.Serve(w, r, first, func() (*live.Frame, <-chan struct{}) {
		m := s.moment()
		frame := m.frame(v, before)
		before = m
		return frame, m.replaced
	})
}

// rows answers /rows: the same once, for browsers that no event stream reaches.
func (s *Server) rows(w http.ResponseWriter, r *http.Request) {
	m := s.moment()
	reply(w, r, "application/json", encode(map[string]any{
		"state": m.state, "table": m.event(readView(r.URL.Query(), m.Statistics)),
	}))
}
