package progress

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"
)

// logEvery is how often work that has an end is reported where there is no terminal.
const logEvery = 30 * time.Second

// A Reporter tells a person how far the work is: on a terminal in a line that changes, else, for
// work that has an end, in the log now and then. The log is to be written through it.
type Reporter struct {
	io.Writer
	line *line // nil if there is no terminal
}

// NewReporter writes to w, with a changing line if w is a terminal that can show it (term is the
// variable TERM) and the log is text.
func NewReporter(w io.Writer, term, logFormat string) *Reporter {
	if logFormat == "text" && term != "dumb" && isTerminal(w) {
		l := &line{w: w}
		return &Reporter{l, l}
	}
	return &Reporter{Writer: w}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// A Sample is how far the work is at a moment.
type Sample struct {
	Share float64 // of the work that is done; negative if nobody can know
	Done  string  // what has been done, for the line
	Count uint64  // the number that the speed is of
	Attrs []any   // what has been done, for the log
}

// Follow reports until ctx ends.
func (r *Reporter) Follow(
	ctx context.Context, log *slog.Logger, elapsed func() time.Duration, sample func() Sample,
) {
	every := logEvery
	if r.line != nil {
		every = 200 * time.Millisecond
		defer r.line.show("")
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	speed := new(speedometer)
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s := sample()
			rate := speed.at(now, s.Count)
			if r.line != nil {
				r.line.show(compose(s.Share, s.Done, rate, elapsed()))
			} else if s.Share >= 0 {
				attrs := []any{"percent", int(100 * s.Share), "per_second", int(rate)}
				log.Info("progress", append(attrs, s.Attrs...)...)
			}
		}
	}
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
