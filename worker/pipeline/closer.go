package pipeline

import (
	"log/slog"
	"time"

	"colorstream/influxdb/series"
	"colorstream/worker/checkpoint"
)

// A Closer turns closed windows into lines.
type Closer struct {
	log   *slog.Logger
	in    *queue[job]
	store *Store
	// observe is told how long each window took from its closing to its lines.
	observe func(time.Duration)
}

// NewCloser makes the Closer between a Receiver and a Store.
func NewCloser(log *slog.Logger, from *Receiver, to *Store, observe func(time.Duration)) *Closer {
	return &Closer{log: log, in: from.out, store: to, observe: observe}
}

// Run works until the Receiver is closed and everything is done; then it closes the Store's queue.
func (c *Closer) Run() {
	defer c.store.in.close()
	for {
		jobs, ok := c.in.take()
		if !ok {
			return
		}
		for _, j := range jobs {
			if j.checkpoint != nil {
				c.checkpoint(j)
				continue
			}
			c.closeWindows(j)
		}
	}
}

// checkpoint encodes the open windows here, before any of them is closed: the snapshot shares their memory.
func (c *Closer) checkpoint(j job) {
	start := time.Now()
	content, err := checkpoint.Encode(opened{*j.checkpoint, j.counts}.file())
	if err != nil {
		c.log.Error("the open windows cannot be saved", "error", err)
		return
	}
	c.store.in.put(item{open: content, encoding: time.Since(start)})
}

func (c *Closer) closeWindows(j job) {
	it := item{memory: j.memory, counts: j.counts, safe: j.safe, position: j.position}
	for _, w := range j.windows {
		stats := w.Stats()
		for _, s := range stats {
			it.lines = series.Point{
				Color: s.Color, Mean: s.Mean, Median: s.Median, Min: s.Min, Max: s.Max, Sum: s.Sum, Count: s.Count,
				Complete: !w.Incomplete, Approximate: s.Approximate, Start: time.Unix(0, w.Start),
			}.AppendLine(it.lines)
			it.lines = append(it.lines, '\n')
			it.points++
		}
		c.log.Debug("window closed", "window", time.Unix(0, w.Start).UTC(), "colors", len(stats), "complete", !w.Incomplete)
	}
	c.observe(time.Since(j.closedAt))
	c.store.put(it)
}
