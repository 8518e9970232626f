package main

import (
	"colorstream/generator/message"
	"colorstream/worker/window"
)

// A tally counts what became of messages and windows.
type tally struct {
	accepted int64
	rejected map[message.Reason]int64
	// closed windows were written for the first time; incomplete are those of them that may miss
	// messages.
	closed, incomplete int64
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
	if p.Again {
		return
	}
	t.closed++
	if p.Incomplete {
		t.incomplete++
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

// add adds what came later.
func (t *tally) add(u *tally) {
	t.accepted += u.accepted
	for reason, n := range u.rejected {
		t.reject(reason, n)
	}
	t.closed += u.closed
	t.incomplete += u.incomplete
	if u.aheadAt >= t.aheadAt {
		t.ahead, t.aheadAt = u.ahead, u.aheadAt
	}
}
