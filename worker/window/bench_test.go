package window

import (
	"fmt"
	"math/rand/v2"
	"slices"
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
			s := heardSet(Config{Width: 5 * time.Second})
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				s.Add(colors[i&3], pool[i&(len(pool)-1)], int64(i)*1000) // a million a second
				if i++; i%5_000_000 == 0 {
					s.Advance(int64(i) * 1000)
				}
			}
		})
	}
}

// BenchmarkClose measures what closing a window takes off the receive path: all statistics of all its colours.
func BenchmarkClose(b *testing.B) {
	for _, size := range []struct{ colors, each int }{{1, 1_000_000}, {10_000, 1}, {10_000, 100}} {
		for _, shape := range shapes {
			b.Run(fmt.Sprintf("%d colors of %d %s", size.colors, size.each, shape.name), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				s := heardSet(Config{Width: 5 * time.Second})
				for c := range size.colors {
					for range size.each {
						s.Add(fmt.Sprint("color", c), shape.value(r), 0)
					}
				}
				full := s.Advance(5 * second)[0]
				for b.Loop() {
					b.StopTimer()
					w := &Window{colors: make(map[string]*values, len(full.colors))}
					for color, v := range full.colors {
						w.colors[color] = v.clone()
					}
					b.StartTimer()
					w.Stats()
				}
			})
		}
	}
}

// BenchmarkMedian compares the median of a million values with sorting them.
func BenchmarkMedian(b *testing.B) {
	for _, shape := range shapes[:2] {
		r := rand.New(rand.NewPCG(1, 1))
		all := make([]float64, 1_000_000)
		var v values
		for i := range all {
			all[i] = shape.value(r)
			v.add(all[i], false)
		}
		stored := slices.Concat(slices.Concat(v.chunks...), v.tail)
		work := make([]float64, len(all))
		b.Run("ours/"+shape.name, func(b *testing.B) {
			for b.Loop() {
				n := copy(work, stored)
				median(work[:n], v.counts)
			}
		})
		b.Run("sort/"+shape.name, func(b *testing.B) {
			for b.Loop() {
				copy(work, all)
				slices.Sort(work)
			}
		})
	}
}
