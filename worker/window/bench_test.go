package window

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var shapes = []struct {
	name  string
	value func(*rand.Rand) float64
}{
	{"floats", func(r *rand.Rand) float64 { return r.NormFloat64() * 1000 }},
	{"whole numbers 1-100", func(r *rand.Rand) float64 { return float64(r.IntN(100) + 1) }},
	{"whole numbers below 65536", func(r *rand.Rand) float64 { return float64(r.IntN(maxCounted)) }},
}

func BenchmarkAdd(b *testing.B) {
	colors := []string{"red", "blue", "green", "yellow"}
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 1))
			var pool [1 << 16]float64
			for i := range pool {
				pool[i] = shape.value(r)
			}
			s := NewSet(Config{Width: 5 * time.Second})
			s.Advance(0)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Add(colors[i&3], pool[i&(len(pool)-1)])
				if i++; i%1000 == 0 { // a million a second
					s.Advance(int64(i) * 1000)
				}
			}
		})
	}
}

// BenchmarkStats measures what writing a window takes off the receive path: all statistics of all
// its colours.
func BenchmarkStats(b *testing.B) {
	for _, size := range []struct{ colors, each int }{{1, 1_000_000}, {10_000, 1}, {10_000, 100}} {
		for _, shape := range shapes {
			b.Run(fmt.Sprintf("%d colors of %d %s", size.colors, size.each, shape.name), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				s := NewSet(Config{Width: 5 * time.Second})
				s.Advance(0)
				for c := range size.colors {
					for range size.each {
						s.Add(fmt.Sprint("color", c), shape.value(r))
					}
				}
				w := s.Open()[0]
				for b.Loop() {
					b.StopTimer()
					p := w.pane(false)
					b.StartTimer()
					p.Stats()
				}
			})
		}
	}
}

// BenchmarkAdvance measures what writing a window and taking its parts costs on the receive path.
func BenchmarkAdvance(b *testing.B) {
	for _, colors := range []int{4, 1000, 10_000} {
		for _, shape := range shapes[:2] {
			b.Run(fmt.Sprintf("%d colors of %s", colors, shape.name), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				s := NewSet(Config{Width: 5 * time.Second, Lateness: 5 * time.Second})
				at := int64(0)
				names := make([]string, colors)
				for i := range names {
					names[i] = fmt.Sprint("color", i)
				}
				for b.Loop() {
					b.StopTimer()
					for i := range 400_000 {
						s.Add(names[i%colors], shape.value(r))
					}
					at += second
					b.StartTimer()
					s.Advance(at)
					s.Parts(false)
				}
			})
		}
	}
}
