package service

import (
	"encoding/json"
	"net/http"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Health is the conditions under which a program is ready. All of it is safe for concurrent use.
type Health struct {
	mu         sync.Mutex
	conditions []*Condition
}

// A Condition is one thing that must hold. It fails until Set says that it holds.
type Condition struct {
	mu    *sync.Mutex // the Health's, which guards the rest
	state conditionState
	probe func() error
}

// conditionState is how /readyz shows a condition.
type conditionState struct {
	Name   string    `json:"name"`
	OK     bool      `json:"ok"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"` // why it fails
	Note   string    `json:"note,omitempty"`   // more about it
}

// Condition adds a condition; reason says what is awaited until its first Set.
func (h *Health) Condition(name, reason string) *Condition {
	state := conditionState{Name: name, Reason: reason, Since: time.Now().UTC()}
	c := &Condition{mu: &h.mu, state: state}
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
	c.mu.Lock()
	defer c.mu.Unlock()
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

// Note says more on the condition.
func (c *Condition) Note(note string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state.Note = note
}

// answer is that of /readyz.
type answer struct {
	Ready      bool             `json:"ready"` // every condition holds
	Conditions []conditionState `json:"conditions"`
}

func (h *Health) answer() answer {
	h.mu.Lock()
	defer h.mu.Unlock()
	a := answer{Ready: true}
	for _, c := range h.conditions {
		if c.probe != nil {
			c.set(c.probe())
		}
		a.Ready = a.Ready && c.state.OK
		a.Conditions = append(a.Conditions, c.state)
	}
	return a
}

// ServeHTTP answers /readyz: 200 if every condition holds, else 503, with the conditions as JSON:
//
//	{"ready":false,"conditions":[{"name":"redis","ok":false,"since":"2026-01-02T03:04:05Z",
//	 "reason":"…"}]}
func (h *Health) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	a := h.answer()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !a.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(a) // if that fails, the client is gone
}

// Register registers the metrics that all programs have: the Go runtime's and the process', its
// build and its conditions, those of /readyz:
//
//	colorstream_build_info{program="worker",version="…",goversion="…"} 1
//	colorstream_ready{program="worker",condition="redis"} 1
//
// They carry the label program, since InfluxDB's scrapers do not tell which address they read.
func Register(registerer prometheus.Registerer, program string, health *Health) {
	build := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "colorstream_build_info", Help: "1, with the program's version and Go's as labels.",
		ConstLabels: prometheus.Labels{"version": Version(), "goversion": runtime.Version()},
	}, func() float64 { return 1 })
	desc := prometheus.NewDesc("colorstream_ready",
		"1 while the condition of /readyz holds, else 0.", []string{"condition"}, nil)
	ready := prometheus.CollectorFunc(func(metrics chan<- prometheus.Metric) {
		for _, c := range health.answer().Conditions {
			value := 0.0
			if c.OK {
				value = 1
			}
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, c.Name)
		}
	})
	process := collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})
	prometheus.WrapRegistererWith(prometheus.Labels{"program": program}, registerer).
		MustRegister(collectors.NewGoCollector(), process, build, ready)
}
