package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/generator/redistest"
)

// Panels that each ask for something else, while the generator publishes much, and little. What the
// Go runtime takes of the processor is in the figures; what Grafana's gRPC takes is not.
func BenchmarkPanels(b *testing.B) {
	for _, rate := range []int{50_000, 10} {
		for _, panels := range []int{1, 20} {
			b.Run(fmt.Sprintf("rate=%d/panels=%d", rate, panels),
				func(b *testing.B) { benchmarkPanels(b, panels, rate) })
		}
	}
}

// A counter counts frames.
type counter struct{ frames int }

func (c *counter) Send(*backend.StreamPacket) error { c.frames++; return nil }

func benchmarkPanels(b *testing.B, count, rate int) {
	paths := []string{
		"windows/running/mean/red", "windows/running/mean/blue", "windows/running/mean/green",
		"windows/running/mean/yellow", "windows/running/mean/red/blue",
		"windows/running/mean/green/yellow", "messages", "messages/blue", "messages/red", "rates",
	}
	for _, show := range []string{"running", "closed"} {
		for _, s := range []string{"mean", "median", "min", "max", "count"} {
			paths = append(paths, "windows/"+show+"/"+s)
		}
	}
	server := redistest.Start(b)
	binary := filepath.Join(b.TempDir(), "generator")
	build := exec.Command("go", "build", "-C", "../../generator", "-o", binary, ".")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build the generator: %v\n%s", err, out)
	}
	load := exec.CommandContext(b.Context(), binary)
	load.Env = []string{"REDIS_URL=" + server.URL(), fmt.Sprint("GENERATOR_RATE=", rate)}
	if err := load.Start(); err != nil {
		b.Fatal(err)
	}
	s, _ := start(b, settingsFor(server.URL(), nil))
	counters := make([]counter, count)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for i := range counters {
		go s.RunStream(ctx, &backend.RunStreamRequest{Path: paths[i]},
			backend.NewStreamSender(&counters[i]))
	}
	awaitSubscriber(b, server.Client())
	used := func() time.Duration {
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	const length = 10 * time.Second
	for b.Loop() {
		before := used()
		time.Sleep(length)
		b.ReportMetric((used()-before).Seconds()/length.Seconds()*100, "%core")
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.HeapInuse)/(1<<20), "MiB")
	arrived, _, _ := s.live.Rates.After(0, 0)
	var least int64 = 1 << 62
	for _, row := range arrived[max(0, len(arrived)-5):] {
		var n int64
		for _, color := range row.Stats {
			n += color.Count
		}
		least = min(least, n)
	}
	if float64(least) < 0.8*float64(rate) {
		b.Errorf("only %d messages arrived in a second", least)
	}
}

// From publishing a message to the frame that has it, at a steady rate.
func BenchmarkLatency(b *testing.B) {
	for _, path := range []string{"messages", "windows/running/max"} {
		b.Run(path, func(b *testing.B) {
			server := redistest.Start(b)
			s, _ := start(b, settingsFor(server.URL(), nil))
			w := watch(b, s, path)
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
