package chart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"colorstream/dashboard/influx"
)

const (
	// maxSteps is how many values a line has at most.
	maxSteps = 240
	// readTimeout bounds one read of the history.
	readTimeout = 10 * time.Second
	// maxAge is how long an old history is drawn when a new one cannot be read.
	maxAge = time.Hour
	// maxPictures bounds the drawn pictures that are kept: 20 kB each.
	maxPictures = 256
	// retryTime is how long a failure is remembered, so that a crowd does not ask a struggling InfluxDB.
	retryTime = 2 * time.Second
)

// A Source has the history.
type Source interface {
	// History returns one value per step that has any; its times are multiples of step.
	History(ctx context.Context, statistic string, from, to time.Time, step time.Duration) ([]influx.Line, error)
}

// A Request is what a reader may choose. Equal requests share a picture.
type Request struct {
	Statistic     string
	Range         time.Duration
	Zone          string // of the time zone database; empty is UTC
	Dark          bool
	Width, Height int
}

// Config says how a Drawer looks at the data.
type Config struct {
	Window time.Duration                        // width of the worker's windows
	Gap    time.Duration                        // a longer time without a window breaks a line
	Reason func(error) string                   // what a reader may know of a failed read
	Now    func() time.Time                     // nil means time.Now
	Zone   func(string) (*time.Location, error) // nil means time.LoadLocation
}

// A Drawer draws pictures and keeps them as long as there can be nothing new in them. It is safe for concurrent use.
type Drawer struct {
	log     *slog.Logger
	source  Source
	config  Config
	flights singleflight.Group

	mu        sync.Mutex
	histories map[historyKey]*history // guarded by mu, as is the next
	pictures  map[Request]picture
}

type historyKey struct {
	statistic string
	length    time.Duration
}

// A history is what was read for one statistic and range. Only its error changes after it was made.
type history struct {
	lines    []influx.Line
	from, to time.Time
	step     time.Duration
	read     time.Time // when it was read
	tried    time.Time // when a read last failed
	err      error     // of that read; nil if the last one was good
}

type picture struct {
	of   *history
	note string
	svg  []byte
}

// NewDrawer makes a drawer.
func NewDrawer(log *slog.Logger, source Source, config Config) *Drawer {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Zone == nil {
		config.Zone = time.LoadLocation
	}
	return &Drawer{
		log: log, source: source, config: config,
		histories: make(map[historyKey]*history), pictures: make(map[Request]picture),
	}
}

// ErrNoData is returned, with a picture that says so, if nothing could be read.
var ErrNoData = errors.New("there is nothing to draw: InfluxDB cannot be read")

// ErrZone is returned for a time zone that is not known.
var ErrZone = errors.New("unknown time zone")

// SVG returns the picture. If InfluxDB cannot be read it shows what was read before, with a note; if there is no
// such thing, it is a picture of the reason and the error is [ErrNoData].
func (d *Drawer) SVG(ctx context.Context, r Request) ([]byte, error) {
	zone, err := d.config.Zone(r.Zone)
	if err != nil {
		return nil, fmt.Errorf("%w %q: %w", ErrZone, r.Zone, err)
	}
	h, err := d.history(ctx, historyKey{r.Statistic, r.Range})
	if err != nil {
		return nil, err
	}
	note := ""
	if h.err != nil {
		note = d.config.Reason(h.err)
		if !h.read.IsZero() {
			note += ", this is from " + h.read.In(zone).Format("15:04:05")
		}
	}
	svg, err, _ := d.flights.Do(fmt.Sprint("draw ", r), func() (any, error) { return d.draw(r, h, zone, note) })
	if err != nil {
		return nil, err
	}
	if h.read.IsZero() {
		return svg.([]byte), ErrNoData
	}
	return svg.([]byte), nil
}

// draw returns the picture that is kept, or draws it.
func (d *Drawer) draw(r Request, h *history, zone *time.Location, note string) ([]byte, error) {
	d.mu.Lock()
	kept := d.pictures[r]
	d.mu.Unlock()
	if kept.of == h && kept.note == note {
		return kept.svg, nil
	}
	p := Picture{
		Statistic: r.Statistic, Lines: h.lines, From: h.from, To: h.to, Step: h.step,
		Gap: max(d.config.Gap, h.step), Zone: zone, Dark: r.Dark, Width: r.Width, Height: r.Height, Note: note,
	}
	svg, err := Draw(p)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.pictures) >= maxPictures {
		clear(d.pictures) // simpler than choosing, and rarer than once a minute
	}
	d.pictures[r] = picture{h, note, svg}
	return svg, nil
}

// history returns what is known, after reading it anew if it may have changed. Readers of the same thing wait for
// the same read, which goes on if the one who began it leaves.
func (d *Drawer) history(ctx context.Context, key historyKey) (*history, error) {
	if known := d.fresh(key); known != nil {
		return known, nil
	}
	result := d.flights.DoChan(fmt.Sprint(key), func() (any, error) {
		if known := d.fresh(key); known != nil {
			return known, nil // a read ended between our look and this one
		}
		reading, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
		defer cancel()
		return d.read(reading, key), nil
	})
	select {
	case r := <-result:
		return r.Val.(*history), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// fresh returns what is known if there can be nothing new yet, else nil.
func (d *Drawer) fresh(key historyKey) *history {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, now := d.histories[key], d.config.Now()
	switch {
	case h == nil:
		return nil
	case h.err != nil && now.Sub(h.tried) < retryTime:
		return h
	case h.err == nil && now.Sub(h.read) < min(max(h.step/2, time.Second), time.Minute):
		return h
	}
	return nil
}

func (d *Drawer) read(ctx context.Context, key historyKey) *history {
	now := d.config.Now()
	h := &history{step: d.config.step(key.length), read: now}
	h.to = time.Unix(0, now.UnixNano()/int64(h.step)*int64(h.step)).UTC()
	if h.step > d.config.Window {
		h.to = h.to.Add(h.step) // a step of several windows has some of them before it ends
	}
	h.from = h.to.Add(-h.step * (key.length / h.step))
	lines, err := d.source.History(ctx, key.statistic, h.from, h.to, h.step)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		before := d.histories[key]
		if before == nil || before.err == nil {
			d.log.Warn("cannot read a chart's history", "error", err)
		}
		if before != nil && now.Sub(before.read) < maxAge {
			old := *before
			h = &old
		} else {
			h.read = time.Time{}
		}
		h.err, h.tried = err, now
	}
	h.lines = append(h.lines, lines...)
	d.histories[key] = h
	return h
}

// step returns the time between two values in a range: whole windows.
func (c Config) step(length time.Duration) time.Duration {
	windows := (length + maxSteps*c.Window - 1) / (maxSteps * c.Window)
	return max(windows, 1) * c.Window
}
