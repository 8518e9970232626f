package latest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"colorstream/influxdb/series"
)

const (
	// readTimeout bounds one read of InfluxDB.
	readTimeout = 10 * time.Second
	// maxBacklog bounds, in windows, how far back missed windows are read.
	maxBacklog = 64
)

// offsets are when InfluxDB is read in each refresh interval. Windows end at multiples of their width, and so do the
// intervals if the two are equal: the worker's points are there some milliseconds later, and a read costs little.
var offsets = []time.Duration{100 * time.Millisecond, 350 * time.Millisecond, time.Second}

// A Source has the points. Both methods return whole points only.
type Source interface {
	// Last returns each colour's newest point among those that start at or after since.
	Last(ctx context.Context, since time.Time) ([]series.Point, error)
	// Between returns all points that start in [from, to).
	Between(ctx context.Context, from, to time.Time) ([]series.Point, error)
}

// A Snapshot is what is known at one moment. Nobody changes it any more.
type Snapshot struct {
	// Colors are sorted by name.
	Colors []Color
	// Omitted counts the colours that are too many to be kept.
	Omitted int
	// Newest is the start of the newest window, the zero time if there is none.
	Newest time.Time
	// Read is when InfluxDB last answered, the zero time if it never did.
	Read time.Time
	// Since is when InfluxDB began to answer or to fail.
	Since time.Time
	// Failure tells why the last read failed; Colors are then those of the last one that did not. Before the first
	// read it is [ErrNotRead].
	Failure error
}

// ErrNotRead is the failure before the first read has ended.
var ErrNotRead = errors.New("InfluxDB has not answered yet")

// Reason tells what anyone may know of a failure: what the error's method Summary returns, if it has one. It is
// empty if err is nil.
func Reason(err error) string {
	switch e, ok := errors.AsType[interface {
		error
		Summary() string
	}](err); {
	case err == nil:
		return ""
	case ok:
		return e.Summary()
	case errors.Is(err, ErrNotRead):
		return ErrNotRead.Error()
	}
	return "InfluxDB cannot be read"
}

// Config says how a Reader reads.
type Config struct {
	Refresh  time.Duration // interval of the reads, see [Reader.Run]
	Lookback time.Duration // colours silent for longer are dropped
	Window   time.Duration // width of the worker's windows
}

// A Reader reads the source for everyone.
type Reader struct {
	log    *slog.Logger
	source Source
	config Config
	sink   func(Snapshot, []series.Point)

	board *Board // of the goroutine in Run

	mu       sync.Mutex
	snapshot Snapshot // guarded by mu
}

// NewReader makes a reader. After each read it calls sink with what is known now and the news in it, as
// [Board.Merge] returns them; sink must not block.
func NewReader(log *slog.Logger, source Source, sink func(Snapshot, []series.Point), config Config) *Reader {
	return &Reader{
		log: log, source: source, sink: sink, config: config, board: NewBoard(),
		snapshot: Snapshot{Since: time.Now(), Failure: ErrNotRead},
	}
}

// Snapshot returns what is known now.
func (r *Reader) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot
}

// Run reads until ctx ends: at once, then shortly after each multiple of the refresh interval, a few times, see
// offsets. A slow read delays the next, it never overlaps it. Its error is always nil.
func (r *Reader) Run(ctx context.Context) error {
	for {
		r.read(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait(time.Now(), r.config.Refresh)):
		}
	}
}

// wait returns the time until the next read.
func wait(now time.Time, refresh time.Duration) time.Duration {
	into := time.Duration(now.UnixNano() % int64(refresh))
	for _, offset := range offsets {
		if into < offset && offset < refresh {
			return offset - into
		}
	}
	return refresh - into + offsets[0]
}

func (r *Reader) read(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	news, omitted, err := r.update(limited, time.Now())
	if ctx.Err() != nil {
		return // the read was cut off by the end of the program, which is no failure of InfluxDB's
	}
	now := time.Now()
	r.mu.Lock()
	before := r.snapshot
	s := before
	s.Failure = err
	if (err == nil) != (before.Failure == nil) {
		s.Since = now
	}
	if err == nil {
		s.Read, s.Omitted, s.Colors = now, omitted, r.board.Colors()
		s.Newest = time.Time{}
		for _, c := range s.Colors {
			if c.Start.After(s.Newest) {
				s.Newest = c.Start
			}
		}
	}
	r.snapshot = s
	r.mu.Unlock()

	switch {
	case err == nil && before.Failure != nil && !before.Read.IsZero():
		r.log.Info("InfluxDB answers again", "away", now.Sub(before.Since).Round(time.Second))
	case err == nil && before.Failure != nil:
		r.log.Info("InfluxDB answers", "colors", len(s.Colors))
	case err != nil && Reason(err) != Reason(before.Failure):
		// Once for each reason: the state is on the page and in /readyz.
		r.log.Warn("cannot read InfluxDB; the page keeps the last values and tries again", "error", err)
	}
	r.sink(s, news)
}

// update reads what is new into the board. A failed read leaves the board as it was.
func (r *Reader) update(ctx context.Context, now time.Time) (news []series.Point, omitted int, err error) {
	last, err := r.source.Last(ctx, now.Add(-r.config.Lookback))
	if err != nil {
		return nil, 0, fmt.Errorf("read the newest windows: %w", err)
	}
	last, omitted = Pick(last, MaxColors)
	points := last
	if from := r.board.Backlog(last, r.config.Window); !from.IsZero() {
		newest := last[0].Start
		for _, p := range last {
			newest = later(newest, p.Start)
		}
		from = later(from, newest.Add(-maxBacklog*r.config.Window))
		detail, err := r.source.Between(ctx, from, newest.Add(1))
		if err != nil {
			return nil, 0, fmt.Errorf("read the windows since %s: %w", from.Format(time.RFC3339), err)
		}
		points = append(among(last, detail), last...)
	}
	news = r.board.Merge(points)
	r.board.Retain(last)
	return news, omitted, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// among returns those of points whose colour is one of picked's.
func among(picked, points []series.Point) []series.Point {
	colors := make(map[string]bool, len(picked))
	for _, p := range picked {
		colors[p.Color] = true
	}
	return slices.DeleteFunc(points, func(p series.Point) bool { return !colors[p.Color] })
}
