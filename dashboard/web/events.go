package web

import (
	"net/http"
	"slices"
	"sync"

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
	Order      []string          `json:"order,omitempty"`
	Rows       map[string]string `json:"rows"`
	Found      int               `json:"found"`
	Total      int               `json:"total"`
	Attention  int               `json:"attention"`
	Page       int               `json:"page"`
	Pages      int               `json:"pages"`
}

func (m *moment) event(v view) (tableEvent, error) {
	t := m.table(v)
	e := tableEvent{
		Statistics: m.Statistics.String(),
		Order:      make([]string, len(t.colors)), Rows: make(map[string]string, len(t.colors)),
		Found: t.found, Total: len(m.Colors), Attention: t.attention, Page: t.page, Pages: t.pages,
	}
	for i, c := range t.colors {
		text, err := m.html(c, v.Stat)
		if err != nil {
			return e, err
		}
		e.Order[i], e.Rows[c.Color] = c.Color, text
	}
	return e, nil
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

// A watch is a view that browsers follow.
type watch struct {
	feed    *live.Feed
	readers int
	told    tableEvent
}

// join returns the feed of a view.
func (s *Server) join(v view) (*live.Feed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.watches[v]
	if w == nil {
		event, err := s.now.event(v)
		if err != nil {
			return nil, err
		}
		w = &watch{told: event, feed: live.NewFeed(s.whole(event))}
		s.watches[v] = w
	}
	w.readers++
	return w.feed, nil
}

func (s *Server) leave(v view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watches[v].readers--; s.watches[v].readers == 0 {
		delete(s.watches, v)
	}
}

// update tells the readers of every view what has changed in it. The caller holds s.mu.
func (s *Server) update() {
	for v, w := range s.watches {
		event, err := s.now.event(v)
		if err != nil {
			s.log.Error("cannot tell the browsers of new windows", "error", err)
			continue
		}
		if change, changed := event.since(w.told); changed {
			w.told = event
			w.feed.Publish(s.frame("change", change), s.whole(event))
		}
	}
}

// whole encodes an event once for all new readers.
func (s *Server) whole(event tableEvent) func() *live.Frame {
	return sync.OnceValue(func() *live.Frame { return s.frame("rows", event) })
}

func (s *Server) frame(name string, event any) *live.Frame {
	data, err := encode(event)
	if err != nil { // texts and numbers: it cannot be
		s.log.Error("cannot encode an event", "error", err)
		data = []byte("null")
	}
	return live.NewFrame(name, data)
}

// follow answers /events: the state and a view's table, as they change.
func (s *Server) follow(w http.ResponseWriter, r *http.Request) {
	v := readView(r.URL.Query(), s.moment().Statistics)
	feed, err := s.join(v)
	if err != nil {
		s.fail(w, r, "read the table", err)
		return
	}
	defer s.leave(v)
	s.events.Serve(w, r, s.states, feed)
}

// rows answers /rows: the same once, for browsers that no event stream reaches.
func (s *Server) rows(w http.ResponseWriter, r *http.Request) {
	m := s.moment()
	event, err := m.event(readView(r.URL.Query(), m.Statistics))
	if err != nil {
		s.fail(w, r, "read the table", err)
		return
	}
	s.replyJSON(w, r, struct {
		State state      `json:"state"`
		Table tableEvent `json:"table"`
	}{s.state(m, m.now), event})
}
