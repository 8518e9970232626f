// Package progress tells a person how far the work is: on a terminal in one line at its bottom,
// below what else is written there, else in the log now and then.
//
// It assumes a terminal that knows carriage return and the ANSI sequence "erase line", and a line
// that is shorter than the terminal is wide.
package progress

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"
)

const (
	eraseLine = "\r\x1b[K"
	showEvery = 200 * time.Millisecond
	// logEvery is how often work that has an end is reported where there is no terminal.
	logEvery = 30 * time.Second
	// recent is how many samples the speed is of.
	recent = 16
)

// A Reporter writes the line, and what is written to it above the line. The log is to be written
// through it. It is safe for concurrent use.
type Reporter struct {
	terminal bool
	mu       sync.Mutex // guards all below
	w        io.Writer
	text     string // of the line
}

// NewReporter writes to w, with a changing line if w is a terminal that can show it (term is the
// variable TERM) and the log is text.
func NewReporter(w io.Writer, term, logFormat string) *Reporter {
	return &Reporter{w: w, terminal: logFormat == "text" && term != "dumb" && isTerminal(w)}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// Write writes whole lines.
func (r *Reporter) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.text == "" {
		return r.w.Write(p)
	}
	_, err := io.WriteString(r.w, eraseLine+string(p)+r.text)
	return len(p), err
}

// show replaces the line's text; an empty one takes the line away.
func (r *Reporter) show(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if text != r.text {
		r.text = text
		_, _ = io.WriteString(r.w, eraseLine+text) // a terminal that is gone needs no line
	}
}

// A Sample is how far the work is at a moment.
type Sample struct {
	Share   float64       // of the work that is done; negative if nobody can know
	Elapsed time.Duration // since the work was begun
	Done    string        // what has been done, for the line
	Count   uint64        // the number that the speed is of
	Attrs   []any         // what has been done, for the log

	at time.Time
}

// Follow reports until ctx ends.
func (r *Reporter) Follow(ctx context.Context, log *slog.Logger, sample func() Sample) {
	every := logEvery
	if r.terminal {
		every = showEvery
		defer r.show("")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	var samples []Sample
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s := sample()
			s.at = now
			samples = append(samples[max(0, len(samples)-recent+1):], s)
			rate := 0.0
			if span := now.Sub(samples[0].at); span > 0 {
				rate = float64(s.Count-samples[0].Count) / span.Seconds()
			}
			if r.terminal {
				r.show(compose(s, rate))
			} else if s.Share >= 0 {
				attrs := []any{"percent", int(100 * s.Share), "per_second", int(rate)}
				log.Info("progress", append(attrs, s.Attrs...)...)
			}
		}
	}
}

// compose makes the line: what share of the work is done, what has been done, how many a second
// lately, and how long the rest will take at the pace so far.
func compose(s Sample, rate float64) string {
	var b strings.Builder
	if s.Share >= 0 {
		fmt.Fprintf(&b, "%3.0f%%  ", 100*min(s.Share, 1))
	}
	fmt.Fprintf(&b, "%s  %.1f/s", s.Done, rate)
	if s.Share > 0 && s.Share < 1 && s.Elapsed > time.Second {
		left := time.Duration(float64(s.Elapsed) * (1 - s.Share) / s.Share)
		fmt.Fprintf(&b, "  %s left", left.Round(time.Second))
	}
	return b.String()
}
