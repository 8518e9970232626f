package latest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/series"
)

// store is a Source in memory.
type store struct {
	mu     sync.Mutex
	points []series.Point
	err    error
	hangs  bool
	reads  int
}

func (s *store) Last(ctx context.Context, since time.Time) ([]series.Point, error) {
	s.mu.Lock()
	hangs := s.hangs
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	newest := map[string]series.Point{}
	for _, p := range s.points {
		if !p.Start.Before(since) && !p.Start.Before(newest[p.Color].Start) {
			newest[p.Color] = p
		}
	}
	var last []series.Point
	for _, p := range newest {
		last = append(last, p)
	}
	return last, s.err
}

func (s *store) Between(_ context.Context, from, to time.Time) ([]series.Point, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	between := slices.DeleteFunc(slices.Clone(s.points), func(p series.Point) bool {
		return p.Start.Before(from) || !p.Start.Before(to)
	})
	return between, s.err
}

func (s *store) set(change func(*store)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s)
}

// run starts a reader in the bubble. Its news are in the slice that the function returns.
func run(t *testing.T, source Source) (*Reader, func() []series.Point) {
	var mu sync.Mutex
	var all []series.Point
	r := NewReader(slog.New(slog.NewTextHandler(t.Output(), nil)), source, func(_ Snapshot, news []series.Point) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, news...)
	}, Config{Refresh: 5 * time.Second, Lookback: time.Hour, Window: 5 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return r, func() []series.Point {
		mu.Lock()
		defer mu.Unlock()
		defer func() { all = nil }()
		return all
	}
}

func now(n int, color string, mean float64) series.Point {
	start := time.Now().Truncate(5 * time.Second).Add(time.Duration(n) * 5 * time.Second).UTC()
	return series.Point{Color: color, Start: start, Mean: mean, Count: 1}
}

func TestReaderPassesEachWindowOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{points: []series.Point{now(-2, "red", 1), now(-1, "red", 2)}}
		r, news := run(t, s)
		synctest.Wait()
		news()
		if got := r.Snapshot(); len(got.Colors) != 1 || got.Colors[0].Previous == nil || got.Failure != nil {
			t.Fatalf("at first: %+v", got)
		}
		for i := range 5 {
			time.Sleep(5 * time.Second)
			p := now(-1, "red", float64(i))
			s.set(func(s *store) { s.points = append(s.points, p) })
			time.Sleep(time.Second + time.Millisecond) // not longer than a second
			if diff := cmp.Diff([]series.Point{p}, news()); diff != "" {
				t.Fatal(diff)
			}
			time.Sleep(4*time.Second - time.Millisecond)
		}
	})
}

func TestReaderKeepsValuesWhenTheSourceIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{points: []series.Point{now(-1, "red", 1)}}
		r, news := run(t, s)
		synctest.Wait()
		news()
		s.set(func(s *store) { s.err = errors.New("away") })
		time.Sleep(20 * time.Second)
		got := r.Snapshot()
		if got.Failure == nil || Reason(got.Failure) != "InfluxDB cannot be read" || len(got.Colors) != 1 {
			t.Fatalf("while it is away: %+v", got)
		}
		// It comes back with what was written meanwhile.
		missed := []series.Point{now(-3, "red", 2), now(-2, "red", 3), now(-1, "red", 4)}
		s.set(func(s *store) { s.err = nil; s.points = append(s.points, missed...) })
		time.Sleep(6 * time.Second)
		if diff := cmp.Diff(missed, news()); diff != "" {
			t.Error(diff)
		}
		if got := r.Snapshot(); got.Failure != nil || got.Since.IsZero() {
			t.Errorf("after its return: %+v", got)
		}
	})
}

func TestReaderSurvivesASourceThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{hangs: true}
		r, _ := run(t, s)
		synctest.Wait()
		if got := r.Snapshot(); !errors.Is(got.Failure, ErrNotRead) {
			t.Errorf("before the first answer: %v", got.Failure)
		}
		time.Sleep(readTimeout + time.Second)
		if got := r.Snapshot(); !errors.Is(got.Failure, context.DeadlineExceeded) {
			t.Errorf("after the limit: %v", got.Failure)
		}
		s.set(func(s *store) { s.hangs = false; s.points = []series.Point{now(-1, "red", 1)} })
		time.Sleep(readTimeout + 6*time.Second)
		if got := r.Snapshot(); got.Failure != nil || len(got.Colors) != 1 {
			t.Errorf("after it has woken: %+v", got)
		}
	})
}

func TestReaderForgetsSilentColors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{points: []series.Point{now(-1, "red", 1)}}
		r, _ := run(t, s)
		time.Sleep(59 * time.Minute)
		if got := r.Snapshot(); len(got.Colors) != 1 {
			t.Errorf("within the look-back: %+v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := r.Snapshot(); len(got.Colors) != 0 || !got.Newest.IsZero() {
			t.Errorf("after it: %+v", got)
		}
	})
}
