package window

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/series"
)

func TestValuesAgainstOracle(t *testing.T) {
	draw := map[string]func(*rand.Rand) float64{
		"small whole numbers": func(r *rand.Rand) float64 { return float64(r.IntN(100) + 1) },
		"whole numbers":       func(r *rand.Rand) float64 { return float64(r.IntN(maxCounted)) },
		"negative":            func(r *rand.Rand) float64 { return -float64(r.IntN(100)) },
		"normal":              func(r *rand.Rand) float64 { return r.NormFloat64() },
		"anything":            randomValue,
		"one value":           func(*rand.Rand) float64 { return 0.1 },
		"huge": func(r *rand.Rand) float64 {
			return math.MaxFloat64 * (1 - r.Float64()/100)
		},
		"cancelling": func(r *rand.Rand) float64 {
			return []float64{1e300, -1e300, 1e100, -1e100, 5, 1e-300}[r.IntN(6)]
		},
		"with a long carry": func() func(*rand.Rand) float64 {
			n := 0
			return func(*rand.Rand) float64 {
				if n++; n%21 == 0 {
					return math.Ldexp(1, -500)
				}
				return math.Ldexp(1<<53-1, 53*(n%21-1)-500)
			}
		}(),
		"first counted, then not": func() func(*rand.Rand) float64 {
			n := 0
			return func(r *rand.Rand) float64 {
				if n++; n%20_000 < 10_000 {
					return float64(r.IntN(300))
				}
				return r.Float64() * 300
			}
		}(),
	}
	for name, next := range draw {
		t.Run(name, func(t *testing.T) {
			for _, n := range []int{1, 2, 3, 10, 1000, chunkSize, chunkSize + 1, 3*chunkSize + 777} {
				r := rand.New(rand.NewPCG(uint64(n), 2))
				all := make([]float64, n)
				var v values
				stored := 0
				for i := range all {
					all[i] = next(r)
					stored += v.add(all[i], false)
				}
				if held := v.stored(); stored != held {
					t.Errorf("n %d: %d values stored, counted as %d", n, held, stored)
				}
				partial := v.share()
				want := naiveStats(full, "", all)
				if diff := cmp.Diff(want, partial.stats(full, make([]float64, len(full))), cmp.Comparer(near)); diff != "" {
					t.Errorf("n %d, partial: -want +got\n%s", n, diff)
				}
				if got := partial.share().stats(full, make([]float64, len(full))); got.of(series.StdDev) != want.of(series.StdDev) &&
					n > 1 || got.of("p95") != want.of("p95") || got.of("p33.3") != want.of("p33.3") ||
					got.of("p50") != got.of(series.Median) {
					t.Errorf("n %d: a rounding too much in %+v, want %+v", n, got, want)
				}
				if diff := cmp.Diff(want, v.stats(full, make([]float64, len(full))), cmp.Comparer(near)); diff != "" {
					t.Errorf("n %d: -want +got\n%s", n, diff)
				}
			}
		})
	}
}

func TestPastTheCap(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	s := NewSet(Config{Width: 1000, MaxValues: 3 * chunkSize, Statistics: full})
	s.Advance(0)
	var all []float64
	for range 40_000 {
		f := math.Exp(r.NormFloat64() * 5)
		all = append(all, f)
		s.Add("red", f)
	}
	w := s.Open()[0]
	if w.stored > 3*chunkSize+sketchEvery {
		t.Errorf("%d values are stored past the cap", w.stored)
	}
	got, want := w.Partial()[0], naiveStats(full, "red", all)
	if !got.Approximate {
		t.Error("the window passed its cap and calls itself exact")
	}
	if diff := cmp.Diff(want, exact(t, want, got, MedianError), cmp.Comparer(near)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// exact puts exact values in the place of approximate ones, having held the two against each other.
func exact(t *testing.T, want, got Stats, relative float64) Stats {
	t.Helper()
	got.Approximate = false
	for i, name := range full {
		if _, _, percentile := name.Percentile(); !percentile && name != series.Median {
			continue
		}
		w, g := want.Values[i], got.Values[i]
		if math.Abs(g-w) > max(relative*math.Abs(w), 0x1p-1022) {
			t.Errorf("%s is %v, exact %v", name, g, w)
		}
		got.Values[i] = w
	}
	return got
}

func TestSketchKeysAreOrdered(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	var all []float64
	for range 10_000 {
		all = append(all, randomValue(r))
	}
	slices.Sort(all)
	for i, f := range all {
		if i > 0 && key(all[i-1]) > key(f) {
			t.Fatalf("key(%v) > key(%v)", all[i-1], f)
		}
		if m := middle(key(f)); math.Abs(f) > 1e-300 && math.Abs(m/f-1) > MedianError {
			t.Fatalf("%v is kept as %v", f, m)
		}
	}
}

// FuzzSum holds sums of arbitrary doubles against big rationals.
func FuzzSum(f *testing.F) {
	f.Add([]byte{
		0x7f, 0xef, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0xef, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff,
	})
	f.Add([]byte("0123456789abcdef01234567"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var all []float64
		var s, half sum
		for ; len(data) >= 8; data = data[8:] {
			var bits uint64
			for _, b := range data[:8] {
				bits = bits<<8 | uint64(b)
			}
			x := math.Float64frombits(bits)
			if x-x != 0 {
				continue
			}
			all = append(all, x)
			if len(all)%2 == 0 {
				s.add(x, 1)
			} else {
				half.add(x, 1)
			}
		}
		if len(all) == 0 {
			return
		}
		s.merge(&half)
		want := naiveStats(full, "", all)
		if got := s.mean(s.total(), want.Count); !near(got, want.of(series.Mean)) {
			t.Errorf("mean of %v is %v, want %v", all, got, want.of(series.Mean))
		}
		if got := s.total(); got != want.Sum {
			t.Errorf("sum of %v is %v, want %v", all, got, want.Sum)
		}
	})
}
