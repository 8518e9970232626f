package main

import (
	"maps"
	"sync"

	"colorstream/generator/message"
	"colorstream/worker/window"
)

// A tally counts what became of messages and windows.
type tally struct {
	accepted int64
	rejected map[message.Reason]int64
	// closed windows were written for the first time, corrected ones again; incomplete are those that
	// were not complete when they were closed.
	closed, corrected, incomplete int64
	newest                        int64 // source time of the newest message, ns; 0 without one
	// of the newest message with an event time, and when that came, ns
	ahead, aheadAt int64
}

func (t *tally) reject(reason message.Reason, n int64) {
	if t.rejected == nil {
		t.rejected = make(map[message.Reason]int64)
	}
	t.rejected[reason] += n
}

func (t *tally) pane(p *window.Pane) {
	switch {
	case p.Again:
		t.corrected++
	case p.Incomplete:
		t.incomplete++
		fallthrough
	default:
		t.closed++
	}
}

// received is the sum of what became of messages.
func (t *tally) received() int64 {
	n := t.accepted
	for _, r := range t.rejected {
		n += r
	}
	return n
}

func (t *tally) add(u tally) {
	t.accepted += u.accepted
	for reason, n := range u.rejected {
		t.reject(reason, n)
	}
	t.closed += u.closed
	t.corrected += u.corrected
	t.incomplete += u.incomplete
	t.newest = max(t.newest, u.newest)
	if u.aheadAt >= t.aheadAt {
		t.ahead, t.aheadAt = u.ahead, u.aheadAt
	}
}

// totals are the process's tally. Safe for concurrent use.
type totals struct {
	mu    sync.Mutex
	tally tally
}

func (t *totals) add(u tally) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tally.add(u)
}

func (t *totals) get() tally {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.tally
	c.rejected = maps.Clone(c.rejected)
	return c
}
