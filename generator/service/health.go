package service

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Health is the set of conditions under which a program is ready. All of it is safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	conditions []*Condition
}

// A Condition is one thing that must hold. It fails until it is first said to hold.
type Condition struct {
	health *Health // owns the mutex that guards the fields below
	name   string
	ok     bool
	reason string
	note   string
	since  time.Time
	probe  func() error
}

// ConditionState is how /readyz shows a condition.
type ConditionState struct {
	Name  string    `json:"name"`
	OK    bool      `json:"ok"`
	Since time.Time `json:"since"`
	// Reason tells why the condition fails.
	Reason string `json:"reason,omitempty"`
	// Note tells more of a condition that holds.
	Note string `json:"note,omitempty"`
}

// Condition adds a condition; reason tells what is awaited until its first Set.
func (h *Health) Condition(name, reason string) *Condition {
	return h.add(&Condition{name: name, reason: reason})
}

// Probe adds a condition that is asked anew, by calling probe, whenever the state is wanted. It must answer at
// once.
func (h *Health) Probe(name string, probe func() error) {
	h.add(&Condition{name: name, probe: probe})
}

func (h *Health) add(c *Condition) *Condition {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.health, c.since = h, time.Now()
	h.conditions = append(h.conditions, c)
	return c
}

// Set says that the condition holds, if err is nil, or why it does not.
func (c *Condition) Set(err error) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	c.set(err)
}

// Note says more of the condition, for as long as it holds.
func (c *Condition) Note(note string) {
	c.health.mu.Lock()
	defer c.health.mu.Unlock()
	c.note = note
}

func (c *Condition) set(err error) {
	if ok := err == nil; ok != c.ok {
		c.ok, c.since = ok, time.Now()
	}
	c.reason = ""
	if err != nil {
		c.reason = err.Error()
	}
}

// State tells whether every condition holds, and lists them in the order they were added.
func (h *Health) State() (ready bool, states []ConditionState) {
	h.mu.Lock()
	conditions := slices.Clone(h.conditions)
	h.mu.Unlock()
	ready = true
	for _, c := range conditions {
		var err error
		if c.probe != nil {
			err = c.probe() // not under the mutex: a probe may take one of its own
		}
		h.mu.Lock()
		if c.probe != nil {
			c.set(err)
		}
		state := ConditionState{Name: c.name, OK: c.ok, Since: c.since.UTC(), Reason: c.reason}
		if c.ok {
			state.Note = c.note
		}
		states = append(states, state)
		ready = ready && c.ok
		h.mu.Unlock()
	}
	return ready, states
}

// ServeHTTP answers /readyz: 200 if every condition holds, else 503, with the conditions as JSON:
//
//	{"ready":false,"conditions":[{"name":"redis","ok":false,"since":"2026-01-02T03:04:05Z","reason":"…"}]}
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	ready, states := h.State()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(struct {
		Ready      bool             `json:"ready"`
		Conditions []ConditionState `json:"conditions"`
	}{ready, states}) // the client is gone, if anything
}
