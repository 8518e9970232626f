package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/generator/redistest"
)

// A load is what one second of messages commits: values of 8 bytes for two open windows, heads of
// 80 bytes for each color of three windows, and every fifth time the lines of a window.
type load struct {
	colors, values int
}

func (l load) commit(i int) Commit {
	rng := rand.New(rand.NewPCG(uint64(i), 0))
	random := func(n int) []byte {
		data := make([]byte, n)
		for j := range data {
			data[j] = byte(rng.Uint32())
		}
		return data
	}
	second := int64(i)
	c := Commit{
		State: random(80 * 3 * l.colors), Position: position(i + 1),
		Parts: []Part{
			{second / 5, random(8 * l.values * 9 / 10)},
			{second/5 - 1, random(8 * l.values / 10)},
		},
		Open: []int64{second / 5, second/5 - 1},
	}
	if i%5 == 4 {
		var lines strings.Builder
		for n := range l.colors {
			fmt.Fprintf(&lines,
				"color_metrics,color=color%d mean=%v,median=%v,min=1,max=100,sum=%v,count=%di,complete=true %d\n",
				n, rng.Float64(), rng.IntN(100), rng.IntN(1e6), rng.IntN(1000), second*1e9)
		}
		c.Lines = []byte(lines.String())
	}
	return c
}

// BenchmarkCommit reports the median and the 99th percentile of commits, and the bytes in each.
func BenchmarkCommit(b *testing.B) {
	client := redistest.Start(b, "--appendonly", "yes").Client()
	for _, l := range []load{{4, 4}, {4, 800_000}, {1000, 1000}, {1000, 800_000}} {
		for _, name := range []string{"bolt", "redis"} {
			if name == "redis" && l.values > 1000 {
				continue // values stay in the stream
			}
			b.Run(fmt.Sprintf("%s/colors=%d/values=%d", name, l.colors, l.values), func(b *testing.B) {
				var s Store = openTestBolt(b, b.TempDir(), 1<<30)
				if name == "redis" {
					client.FlushAll(b.Context())
					s = openTestRedis(b, client, "bench")
				}
				var took []time.Duration
				size := 0
				for i := 0; b.Loop(); i++ {
					b.StopTimer()
					c := l.commit(i)
					if name == "redis" {
						c.Parts = nil
					}
					size += len(c.State) + len(c.Lines)
					for _, p := range c.Parts {
						size += len(p.Data)
					}
					b.StartTimer()
					start := time.Now()
					commit(b, s, c)
					took = append(took, time.Since(start))
					b.StopTimer()
					if _, ids := data(b, s, Lines); len(ids) > 0 {
						remove(b, s, Lines, ids, "")
					}
					b.StartTimer()
				}
				slices.Sort(took)
				b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
				b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
				b.ReportMetric(float64(size)/float64(len(took)), "B/commit")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
