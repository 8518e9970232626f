package latest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colorstream/dashboard/influx"
	"colorstream/influxdb/series"
)

const width = 5 * time.Second

var origin = time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)

func point(color string, number int, median float64) series.Point {
	return series.Point{
		Color: color, Start: origin.Add(time.Duration(number) * width), Count: 3,
		Complete: true, Statistics: series.DefaultStatistics(),
		Values: []float64{median + 1, median, median - 2, median + 2},
	}
}

// Points come in any order, some again with other values; the board always knows what a naive look
// at all of them says.
func TestBoardAgainstModel(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 200 {
		b := NewBoard(width, 100)
		model := make(map[string]map[int]series.Point)
		for range 60 {
			var batch []series.Point
			for range random.IntN(5) {
				p := point(fmt.Sprint("c", random.IntN(4)), random.IntN(200), float64(random.IntN(50)))
				if model[p.Color] == nil {
					model[p.Color] = make(map[int]series.Point)
				}
				model[p.Color][int(p.Start.Sub(origin)/width)] = p
				batch = append(batch, p)
			}
			b.Merge(batch)
		}
		colors, _ := b.Colors(time.Time{})
		if len(colors) != len(model) {
			t.Fatalf("round %d: %d colours, want %d", round, len(colors), len(model))
		}
		for _, c := range colors {
			windows, newest := model[c.Color], 199
			for _, ok := windows[newest]; !ok; _, ok = windows[newest] {
				newest--
			}
			if !c.Equal(windows[newest]) {
				t.Fatalf("round %d: the newest of %s is %v, want %v", round, c.Color, c.Point, windows[newest])
			}
			for n := newest; n > newest-Trail; n-- {
				want, ok := windows[n]
				if got := c.ValueOf(b.number(origin) + int64(n)); !ok &&
					!math.IsNaN(got) || ok && got != want.Value("median") {
					t.Fatalf("round %d: the median of %s at %d is %v, want %v %v",
						round, c.Color, n, got, want.Value("median"), ok)
				}
			}
			for n := newest - 1; n > newest-Trail; n-- {
				if want, ok := windows[n]; ok {
					if c.Before == nil || !c.Before.Equal(want) {
						t.Fatalf("round %d: before the newest of %s: %v, want %v", round, c.Color, c.Before, want)
					}
					break
				}
			}
		}
	}
}

func TestBoardForgetsAndLimits(t *testing.T) {
	b := NewBoard(width, 2)
	b.Merge([]series.Point{point("a", 1, 1), point("b", 3, 1), point("c", 2, 1), point("d", 0, 1)})
	colors, omitted := b.Colors(origin.Add(width))
	if len(colors) != 2 || colors[0].Color != "b" || colors[1].Color != "c" || omitted != 1 {
		t.Errorf("got %v and %d omitted", colors, omitted)
	}
	kept := colors[0]
	b.MergeValues("median", []influx.Value{
		{Color: "b", Start: origin, Value: 7},
		{Color: "x", Start: origin, Value: 7},
	})
	if colors, _ = b.Colors(time.Time{}); colors[0].ValueOf(b.number(origin)) != 7 ||
		!math.IsNaN(kept.ValueOf(b.number(origin))) {
		t.Error("a median was not taken, or a Color was changed")
	}
}

// The board finds out which statistics there are, and forgets those that are no longer written.
func TestBoardLearnsStatistics(t *testing.T) {
	b := NewBoard(width, 10)
	want := func(list string, number int, value float64) {
		t.Helper()
		colors, _ := b.Colors(time.Time{})
		if got := b.Statistics().String(); got != list || len(colors) != 1 ||
			!cmp.Equal(colors[0].ValueOf(b.number(origin)+int64(number)), value, cmpopts.EquateNaNs()) {
			t.Errorf("%s and %v, want %s and %v at %d", got, colors, list, value, number)
		}
	}
	b.Merge([]series.Point{point("red", 0, 1), point("red", 1, 2)})
	want("median,mean,min,max", 0, 1)
	other := func(number int, deviation float64) series.Point {
		p := point("red", number, 0)
		p.Statistics, p.Values = series.Statistics{"p95", series.StdDev},
			[]float64{float64(number), deviation}
		return p
	}
	b.Merge([]series.Point{other(2, math.NaN())})
	want("median,mean,min,max,p95", 0, 1)
	b.Merge([]series.Point{other(3, 5)})
	want("median,mean,min,max,stddev,p95", 0, 1)
	b.Merge([]series.Point{other(Trail, math.NaN())})
	want("median,mean,min,max,stddev,p95", 1, 2)
	b.Merge([]series.Point{other(Trail+1, math.NaN())})
	want("stddev,p95", Trail, math.NaN())
}

// A fake is a Source with points that a test writes.
type fake struct {
	mu     sync.Mutex
	points map[string]series.Point
	err    error
	lasts  int
	sinces []time.Time
	slow   atomic.Bool
	into   map[time.Duration]bool // when in an interval Since was asked
}

func (f *fake) write(points ...series.Point) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range points {
		if f.points == nil {
			f.points = make(map[string]series.Point)
		}
		f.points[p.Color+p.Start.String()] = p
	}
}

func (f *fake) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *fake) since(since time.Time) (list []series.Point) {
	for _, p := range f.points {
		if f.err == nil && !p.Start.Before(since) {
			list = append(list, p)
		}
	}
	return list
}

func (f *fake) Since(_ context.Context, since time.Time) ([]series.Point, error) {
	if f.slow.Load() {
		time.Sleep(1600 * time.Millisecond)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sinces = append(f.sinces, since)
	f.into[time.Duration(time.Now().UnixNano())%width] = true
	return f.since(since), f.err
}

func (f *fake) Last(_ context.Context, since time.Time) (list []series.Point, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lasts++
	newest := make(map[string]series.Point)
	for _, p := range f.since(since) {
		if p.Start.After(newest[p.Color].Start) {
			newest[p.Color] = p
		}
	}
	for _, p := range newest {
		list = append(list, p)
	}
	return list, f.err
}

func (f *fake) Values(
	_ context.Context, name series.Statistic, since time.Time,
) (list []influx.Value, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.since(since) {
		list = append(list, influx.Value{Color: p.Color, Start: p.Start, Value: p.Value(name)})
	}
	return list, f.err
}

// The reader shows a window soon after it is written, its correction soon after that, and what came
// behind newer windows with the next sweep; it asks for what is new alone.
func TestReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.Sleep(time.Until(origin.Add(24*time.Hour + width)))
		at := func(ago int, color string, median float64) series.Point {
			p := point(color, 0, median)
			p.Start = time.Now().Truncate(width).Add(-time.Duration(ago+1) * width).UTC()
			return p
		}
		source := &fake{into: make(map[time.Duration]bool)}
		source.write(at(0, "red", 1), at(1, "red", 2), at(700, "old", 3))
		var published []Snapshot
		var publishing atomic.Int32
		r := NewReader(slog.New(slog.DiscardHandler),
			source, func(s Snapshot) {
				if publishing.Add(1) > 1 {
					t.Error("two states are published at once")
				}
				runtime.Gosched() // whoever else is about to publish may come
				published = append(published, s)
				publishing.Add(-1)
			},
			Config{Refresh: width, Lookback: 24 * time.Hour, Window: width, Lateness: width, Limit: 100})
		source.fail(errors.New("not yet"))
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		median := func(color string) float64 {
			for _, c := range r.Snapshot().Colors {
				if c.Color == color {
					return c.Value("median")
				}
			}
			return math.NaN()
		}
		want := func(what, color string, value float64) {
			t.Helper()
			if got := median(color); got != value {
				t.Fatalf("%s: %s is %v, want %v", what, color, got, value)
			}
		}
		time.Sleep(time.Millisecond)
		source.fail(nil)
		time.Sleep(width)
		want("soon after the first look failed", "red", 1)
		want("soon after the first look failed", "old", 3)

		time.Sleep(2*width - time.Millisecond)
		source.write(at(0, "red", 10))
		time.Sleep(300 * time.Millisecond)
		want("soon after the window", "red", 10)
		time.Sleep(width)
		source.write(at(1, "red", 11)) // corrected when the next one ends
		source.write(at(0, "blue", 5))
		time.Sleep(2 * time.Second)
		want("corrected", "red", 11)
		want("new", "blue", 5)
		source.write(at(8, "lagging", 6)) // behind newer ones
		time.Sleep(sweepInterval + time.Second)
		want("swept", "lagging", 6)

		if source.lasts > 5 {
			t.Errorf("all of the past was read %d times", source.lasts)
		}
		for _, since := range source.sinces[1:] {
			if age := time.Since(since); age > 2*time.Minute {
				t.Errorf("what is new was read from %v on", since)
			}
		}

		times := map[time.Duration]bool{100e6: true, 250e6: true, 450e6: true, 800e6: true, 1500e6: true}
		if diff := cmp.Diff(times, source.into); diff != "" {
			t.Error("what is new is read at", diff)
		}

		source.slow.Store(true)
		time.Sleep(time.Until(time.Now().Truncate(width).Add(width)))
		source.write(at(0, "red", 20))
		time.Sleep(1750 * time.Millisecond)
		source.write(at(0, "red", 21))
		time.Sleep(3 * time.Second)
		want("corrected, although a read took longer than the time to the next", "red", 21)
		source.slow.Store(false)

		source.fail(errors.New("secret address"))
		time.Sleep(2 * width)
		s := r.Snapshot()
		if Reason(s.Failure) != "InfluxDB cannot be read" || len(s.Colors) != 4 {
			t.Errorf("in an outage: %v and %d colours", s.Failure, len(s.Colors))
		}
		source.write(at(300, "meanwhile", 8))
		source.fail(nil)
		time.Sleep(sweepInterval + width)
		if s := r.Snapshot(); s.Failure != nil {
			t.Errorf("after it: %v", s.Failure)
		}
		want("after it", "meanwhile", 8)
		cancel()
		running.Wait()
		if len(published) < 2 || published[0].Failure == nil || published[1].Failure != nil {
			t.Error("the first reads were not published")
		}
		for i := range published[1:] {
			if published[i].Newest.After(published[i+1].Newest) {
				t.Errorf("%v was published after %v", published[i+1].Newest, published[i].Newest)
			}
		}
	})
}

func TestReason(t *testing.T) {
	for err, want := range map[error]string{
		nil: "", ErrNotRead: "InfluxDB has not answered yet", errors.New("x"): "InfluxDB cannot be read",
	} {
		if got := Reason(err); got != want {
			t.Errorf("%v: %s", err, got)
		}
	}
}
