// Package progress keeps one line at the bottom of a terminal that tells how far the work is, below
// what else is written there.
//
// It assumes a terminal that knows carriage return and the ANSI sequence "erase line", and a line
// that is shorter than the terminal is wide.
package progress

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const eraseLine = "\r\x1b[K"

// A line stands at the bottom of a terminal; what is written to it appears above. It is safe for
// concurrent use.
type line struct {
	mu   sync.Mutex // guards all below
	w    io.Writer
	text string
}

// show replaces the line's text; an empty one takes the line away.
func (l *line) show(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if text == l.text {
		return
	}
	l.text = text
	_, _ = io.WriteString(l.w, eraseLine+text) // a terminal that is gone needs no line
}

// Write writes whole lines.
func (l *line) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text == "" {
		return l.w.Write(p)
	}
	if _, err := io.WriteString(l.w, eraseLine); err != nil {
		return 0, err
	}
	n, err := l.w.Write(p)
	if err == nil {
		_, err = io.WriteString(l.w, l.text)
	}
	return n, err
}

// compose makes a line: what share of the work is done (negative if that is unknown), what has been
// done, how many a second lately, and how long the rest will take at the pace so far.
func compose(share float64, done string, rate float64, elapsed time.Duration) string {
	var b strings.Builder
	if share >= 0 {
		fmt.Fprintf(&b, "%3.0f%%  ", 100*min(share, 1))
	}
	fmt.Fprintf(&b, "%s  %s/s", done, number(rate))
	if share > 0 && share < 1 && elapsed > time.Second {
		left := time.Duration(float64(elapsed) * (1 - share) / share)
		fmt.Fprintf(&b, "  %s left", left.Round(time.Second))
	}
	return b.String()
}

func number(rate float64) string {
	if rate < 10 {
		return fmt.Sprintf("%.1f", rate)
	}
	return fmt.Sprintf("%.0f", rate)
}
