package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"colorstream/generator/ledger"
	"colorstream/generator/progress"
	"colorstream/generator/service"
)

// status tells a person how far the generator is: on a terminal in a line that changes, else, for work that has an
// end, in the log now and then. What the log writes goes through it.
type status struct {
	io.Writer
	line *progress.Line // nil if there is no terminal
}

// logEvery is how often work that has an end is reported where there is no terminal.
const logEvery = 30 * time.Second

func newStatus(p service.Process, c Config) *status {
	if c.Log.Format == "text" && p.Environ["TERM"] != "dumb" && isTerminal(p.Stderr) {
		line := progress.New(p.Stderr)
		return &status{line, line}
	}
	return &status{Writer: p.Stderr}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// follow reports until ctx ends.
func (s *status) follow(ctx context.Context, g *generator) {
	every := logEvery
	if s.line != nil {
		every = 200 * time.Millisecond
		defer s.line.Show("")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	speed := new(speedometer)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			counts := g.publisher.Counts()
			share := share(g.account, g.config.Count, g.size())
			rate := speed.at(now, counts.Published)
			if s.line != nil {
				done := fmt.Sprintf("%d published, %d rejected", counts.Published, g.account.RefusedTotal())
				s.line.Show(progress.Text(share, done, rate, g.account.Elapsed()))
			} else if share >= 0 {
				g.log.Info("progress", "percent", int(100*share), "published", counts.Published,
					"rejected", g.account.RefusedTotal(), "per_second", int(rate))
			}
		}
	}
}

// size of the input in bytes, 0 if unknown.
func (g *generator) size() int64 {
	if g.input == nil {
		return 0
	}
	return g.input.Size
}

// share is what part of the work is done, -1 if nobody can know.
func share(l *ledger.Ledger, count, size int64) float64 {
	done := -1.0
	if count > 0 {
		done = float64(l.ReadTotal()-l.RefusedTotal()) / float64(count)
	}
	if size > 0 {
		done = max(done, float64(l.Offset())/float64(size))
	}
	return min(done, 1)
}

// speedometer tells the speed of the last seconds.
type speedometer struct {
	times  [16]time.Time
	counts [16]uint64
	n      int
}

func (s *speedometer) at(now time.Time, count uint64) float64 {
	i := s.n % len(s.times)
	oldest := 0
	if s.n >= len(s.times) {
		oldest = i
	}
	first, before := s.times[oldest], s.counts[oldest]
	s.times[i], s.counts[i] = now, count
	s.n++
	if span := now.Sub(first); s.n > 1 && span > 0 {
		return float64(count-before) / span.Seconds()
	}
	return 0
}
