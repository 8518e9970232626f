package latest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"colorstream/dashboard/influx"
	"colorstream/influxdb/series"
)

const (
	// readTimeout bounds one read of InfluxDB.
	readTimeout = 20 * time.Second
	// sweepInterval is the least time between two sweeps; a slow one is repeated more seldom.
	sweepInterval = time.Minute
	sweepShare    = 20
)

// A Source has the points. Its methods return whole points only.
type Source interface {
	// Last returns each colour's newest point among those that start at or after since.
	Last(ctx context.Context, since time.Time) ([]series.Point, error)
	// Since returns all points that start at or after since.
	Since(ctx context.Context, since time.Time) ([]series.Point, error)
	// Values returns a statistic of all windows that start at or after since.
	Values(ctx context.Context, name series.Statistic, since time.Time) ([]influx.Value, error)
}

// A Snapshot is what is known at one moment. Nobody changes it any more.
type Snapshot struct {
	// Colors are sorted by name.
	Colors []*Color
	// Statistics are those that the points have; the first is that of the trails.
	Statistics series.Statistics
	// Omitted counts the colours that are too many to be kept.
	Omitted int
	// Newest is the start of the newest window, the zero time if there is none.
	Newest time.Time
	// Failure tells why the last read failed; Colors are then those of the last one that did not.
	// Before the first read it is [ErrNotRead].
	Failure error
}

// ErrNotRead is the failure before the first read has ended.
var ErrNotRead = errors.New("InfluxDB has not answered yet")

// Reason tells what anyone may know of a failure: what the error's method Summary returns, if it
// has one. It is empty if err is nil.
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
	Lateness time.Duration // how long after its end the worker may write a window again
	Limit    int           // how many colours are kept
}

// A Reader reads the source for everyone.
type Reader struct {
	log     *slog.Logger
	source  Source
	config  Config
	publish func(Snapshot)

	mu       sync.Mutex
	board    *Board   // guarded by mu
	snapshot Snapshot // guarded by mu
}

// NewReader makes a reader. Whenever something has changed it calls publish, which must neither
// block nor ask the reader: one call at a time, an older state never after a newer one.
func NewReader(log *slog.Logger, source Source, publish func(Snapshot), config Config) *Reader {
	return &Reader{
		log: log, source: source, publish: publish, config: config,
		board:    NewBoard(config.Window, config.Limit),
		snapshot: Snapshot{Failure: ErrNotRead},
	}
}

// Snapshot returns what is known now.
func (r *Reader) Snapshot() Snapshot {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.snapshot
}

// Run reads until ctx ends. At the start it reads the newest window of every colour, whenever it
// was; then, shortly after each multiple of the refresh interval, only windows that are new, and a
// moment later once more those that may have been corrected. A sweep from time to time finds what
// came late, behind newer windows. Its error is always nil.
func (r *Reader) Run(ctx context.Context) error {
	var sweeping sync.WaitGroup
	sweeping.Go(func() { r.sweeps(ctx) })
	r.follow(ctx)
	sweeping.Wait()
	return nil
}

// offsets are when what is new is read in each interval. Windows end at multiples of their width,
// and so do the intervals if the two are equal: the worker's points are there some milliseconds
// later. At the last offset what may have been corrected is read, too.
var offsets = []time.Duration{
	100 * time.Millisecond, 250 * time.Millisecond, 450 * time.Millisecond, 800 * time.Millisecond,
	1500 * time.Millisecond,
}

// follow reads what is new. A read that takes longer than the time to the next one takes its place,
// save for the last one of an interval.
func (r *Reader) follow(ctx context.Context) {
	refresh := r.config.Refresh
	for begin := (time.Time{}); ; begin = begin.Add(refresh) {
		now := time.Now()
		begin = later(begin, now.Add(-time.Duration(now.UnixNano())%refresh))
		for i, offset := range offsets {
			settle := i == len(offsets)-1
			pause := time.Until(begin.Add(min(offset, refresh*time.Duration(i+1)/10)))
			if pause < 0 && !settle {
				continue
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(pause):
			}
			r.readNew(ctx, settle)
		}
	}
}

// readNew reads windows that are new; to settle, those that may have been corrected as well.
func (r *Reader) readNew(ctx context.Context, settle bool) {
	s := r.Snapshot()
	if errors.Is(s.Failure, ErrNotRead) {
		return // the first sweep is still under way
	}
	from := s.Newest.Add(1)
	if settle {
		from = s.Newest.Add(-r.config.Window - r.config.Lateness)
	}
	from = later(from, time.Now().Add(-Trail*r.config.Window)) // the rest is the sweep's
	r.read(ctx, false, func(ctx context.Context) (int, error) {
		points, err := r.source.Since(ctx, from)
		return r.merge(points), err
	})
}

// sweeps reads each colour's newest window wherever it is, and if that shows that windows were
// missed, the trails' values of the last ones. It does so seldom, as it costs InfluxDB much.
func (r *Reader) sweeps(ctx context.Context) {
	for {
		began := time.Now()
		missed := r.read(ctx, true, func(ctx context.Context) (int, error) {
			points, err := r.source.Last(ctx, began.Add(-r.config.Lookback))
			return r.merge(points), err
		})
		s := r.Snapshot()
		if missed && len(s.Statistics) > 0 {
			r.read(ctx, true, func(ctx context.Context) (int, error) {
				values, err := r.source.Values(ctx, s.Statistics[0], s.Newest.Add(-Trail*r.config.Window))
				r.mu.Lock()
				defer r.mu.Unlock()
				r.board.MergeValues(s.Statistics[0], values)
				return len(values), err
			})
		}
		pause := max(sweepInterval, sweepShare*time.Since(began))
		if s.Failure != nil {
			pause = r.config.Refresh
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (r *Reader) merge(points []series.Point) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.board.Merge(points)
}

// read runs one read and publishes what came of it, a whole one in any case. It reports whether
// there was something new.
func (r *Reader) read(
	ctx context.Context, whole bool, read func(context.Context) (changed int, err error),
) bool {
	limited, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	changed, err := read(limited)
	if ctx.Err() != nil {
		return false // cut off by the end of the program, which is no failure of InfluxDB's
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.snapshot.Failure
	r.snapshot.Failure = err
	if err == nil && (changed > 0 || whole) {
		s := &r.snapshot
		s.Colors, s.Omitted = r.board.Colors(now.Add(-r.config.Lookback))
		s.Statistics = r.board.Statistics()
		s.Newest = time.Time{}
		for _, c := range s.Colors {
			s.Newest = later(s.Newest, c.Start)
		}
	}
	switch {
	case err == nil && before != nil:
		r.log.Info("InfluxDB answers", "colors", len(r.snapshot.Colors))
	case err != nil && Reason(err) != Reason(before):
		// Once for each reason: the state is on the page and in /readyz.
		r.log.Warn("cannot read InfluxDB; the page keeps the last values and tries again", "error", err)
	}
	if changed > 0 || whole || (err == nil) != (before == nil) {
		r.publish(r.snapshot)
	}
	return changed > 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
