package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

const (
	floodRate  = 50_000
	floodTime  = 10 * time.Second
	floodSlice = 10 * time.Millisecond
)

// flood publishes messages at a rate until ctx ends, and gives how many.
func flood(ctx context.Context, c *goredis.Client, rate int) (n int, err error) {
	colors := []string{"red", "blue", "green", "yellow"}
	begun := time.Now()
	for ctx.Err() == nil {
		due := int(time.Since(begun).Seconds()*float64(rate)) - n
		pipe := c.Pipeline()
		for range min(due, max(rate/20, 1)) {
			// Numbers with a fraction: the costly ones.
			pipe.Publish(ctx, "colors", fmt.Sprintf(`{"color":%q,"name":"value_name","value":%d.25}`, colors[n%4], n%100+1))
			n++
		}
		if pipe.Len() > 0 {
			if _, err := pipe.Exec(ctx); err != nil && ctx.Err() == nil {
				return n, err
			}
		}
		time.Sleep(floodSlice)
	}
	return n, nil
}

// usage is how much processor time a process has taken, and the memory it has, as Linux says.
func usage(b *testing.B, pid int) (cpu time.Duration, rss int64) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Skip("this benchmark reads /proc, as Linux has it")
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(after)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	pages, _ := strconv.ParseInt(f[21], 10, 64)
	return time.Duration(user+system) * 10 * time.Millisecond, pages * int64(os.Getpagesize())
}

// Panels that each ask for something else, while messages pour in, and while little comes.
func BenchmarkPanels(b *testing.B) {
	for _, rate := range []int{floodRate, 10} {
		for _, panels := range []int{1, 20} {
			b.Run(fmt.Sprintf("rate=%d/panels=%d", rate, panels),
				func(b *testing.B) { benchmarkFlood(b, panels, rate) })
		}
	}
}

func benchmarkFlood(b *testing.B, count, rate int) {
	server := redistest.Start(b)
	p := start(b, settingsFor(server.URL(), nil))
	rates := p.watch(b, "rates") // besides the others, to see that all arrive
	paths := []string{"messages", "messages/blue", "messages/red", "rates/red/blue"}
	for _, show := range []string{"running", "closed"} {
		for _, s := range []string{"mean", "median", "min", "max", "count"} {
			paths = append(paths, "windows/"+show+"/"+s)
		}
	}
	for _, color := range []string{"red", "blue", "green", "yellow", "red/blue", "green/yellow"} {
		paths = append(paths, "windows/running/mean/"+color)
	}
	slices.Reverse(paths)
	var watched []*panel
	for _, path := range paths[:count] {
		watched = append(watched, p.watch(b, path))
	}
	c := server.Client()
	awaitSubscriber(b, c)
	for b.Loop() {
		before, _ := usage(b, p.pid)
		framesBefore := 0
		for _, w := range watched {
			framesBefore += w.count()
		}
		ctx, cancel := context.WithTimeout(b.Context(), floodTime)
		begun := time.Now()
		n, err := flood(ctx, c, rate)
		cancel()
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(begun).Seconds()
		after, rss := usage(b, p.pid)
		arrived := 0.0
		for _, color := range []string{"red", "blue", "green", "yellow"} {
			for _, v := range rates.values(color) {
				if !v.at.Before(begun.Add(time.Second)) && v.at.Before(begun.Add(floodTime-3*time.Second)) {
					arrived += v.value
				}
			}
		}
		if share := arrived / (floodTime.Seconds() - 4) / float64(rate); share < 0.8 {
			b.Fatalf("only %.0f %% of the messages arrived", share*100)
		}
		frames := -framesBefore
		for _, w := range watched {
			frames += w.count()
		}
		b.ReportMetric(float64(n)/took, "messages/s")
		b.ReportMetric(float64(frames)/took, "frames/s")
		b.ReportMetric((after-before).Seconds()/took*100, "%core")
		b.ReportMetric(float64(rss)/(1<<20), "MiB")
	}
}

// From publishing a message to the frame that has it, at a steady rate.
func BenchmarkLatency(b *testing.B) {
	for _, path := range []string{"messages", "windows/running/max"} {
		b.Run(path, func(b *testing.B) {
			server := redistest.Start(b)
			p := start(b, settingsFor(server.URL(), nil))
			w := p.watch(b, path)
			c := server.Client()
			awaitSubscriber(b, c)
			var took []time.Duration
			for b.Loop() {
				// A number that grows says which message a row has seen.
				var sent []time.Time
				begun := time.Now()
				base := len(w.values("red"))
				for i := range 1000 {
					time.Sleep(time.Until(begun.Add(time.Duration(i) * 23 * time.Millisecond)))
					sent = append(sent, time.Now())
					publish(b, c, "red", float64(i))
				}
				time.Sleep(time.Second)
				next := 0
				for _, v := range w.values("red")[base:] {
					for ; next < len(sent) && float64(next) <= v.value; next++ {
						took = append(took, v.came.Sub(sent[next]))
					}
				}
				if next < len(sent) {
					b.Fatalf("%d of %d messages are in the frames", next, len(sent))
				}
			}
			slices.Sort(took)
			for name, share := range map[string]float64{"p50-ms": 0.5, "p99-ms": 0.99, "max-ms": 1} {
				at := took[min(int(share*float64(len(took))), len(took)-1)]
				b.ReportMetric(float64(at.Microseconds())/1000, name)
			}
		})
	}
}
