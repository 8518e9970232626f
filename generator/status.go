package main

import (
	"fmt"

	"colorstream/generator/progress"
	"colorstream/generator/tally"
)

// sample says how far the generator is.
func (g *generator) sample() progress.Sample {
	counts, size := g.publisher.Counts(), int64(0)
	if g.input != nil {
		size = g.input.Size
	}
	read := g.tally.Counts()
	return progress.Sample{
		Share: share(read, g.config.Count, size), Elapsed: g.tally.Elapsed(),
		Count: counts.Published,
		Done:  fmt.Sprintf("%d published, %d rejected", counts.Published, read.Rejected),
		Attrs: []any{"published", counts.Published, "rejected", read.Rejected},
	}
}

// share is what part of the work is done, -1 if nobody can know. The input has size bytes, 0 if
// that is unknown.
func share(c tally.Counts, count, size int64) float64 {
	done := -1.0
	if count > 0 {
		done = float64(c.Read-c.Rejected) / float64(count)
	}
	if size > 0 {
		done = max(done, float64(c.Offset)/float64(size))
	}
	return min(done, 1)
}
