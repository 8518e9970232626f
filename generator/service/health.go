package service

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Health is the conditions under which a program is ready. All of it is safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	conditions []*Condition
}

// A Condition is one thing that must hold. It fails until Set says that it holds.
type Condition struct {
	health *Health // whose mutex guards the rest
	state  ConditionState
	note   string
	probe  func() error
}

// ConditionState is how /readyz shows a condition.
type ConditionState struct {
	Name   string    `json:"name"`
	OK     bool      `json:"ok"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"` // why it fails
	Note   string    `json:"note,omitempty"`   // more on one that holds
}

// Condition adds a condition; reason says what is awaited until its first Set.
func (h *Health) Condition(name, reason string) *Condition {
	state := ConditionState{Name: name, Reason: reason, Since: time.Now().UTC()}
	c := &Condition{health: h, state: state}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.conditions = append(h.conditions, c)
	return c
}

// Probe adds a condition that is checked by calling probe, which must return at once, whenever the
// state is wanted.
func (h *Health) Probe(name string, probe func() error) { h.Condition(name, "").probe = probe }

// Set says that the condition holds, if err is nil, or why it does not.
func (c *Condition) Set(err error) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	c.set(err)
}

func (c *Condition) set(err error) {
	if ok := err == nil; ok != c.state.OK {
		c.state.OK, c.state.Since = ok, time.Now().UTC()
	}
	c.state.Reason = ""
	if err != nil {
		c.state.Reason = err.Error()
	}
}

// Note says more on the condition, for as long as it holds.
func (c *Condition) Note(note string) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	c.note = note
}

// State reports whether every condition holds, and lists them in the order they were added.
func (h *Health) State() (ready bool, states []ConditionState) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ready = true
	for _, c := range h.conditions {
		if c.probe != nil {
			c.set(c.probe())
		}
		state := c.state
		if state.OK {
			state.Note = c.note
		}
		states = append(states, state)
		ready = ready && state.OK
	}
	return ready, states
}

// ServeHTTP answers /readyz: 200 if every condition holds, else 503, with the conditions as JSON:
//
//	{"ready":false,"conditions":[{"name":"redis","ok":false,"since":"2026-01-02T03:04:05Z",
//	 "reason":"…"}]}
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ready, states := h.State()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct { // if that fails, the client is gone
		Ready      bool             `json:"ready"`
		Conditions []ConditionState `json:"conditions"`
	}{ready, states})
}
