package chart

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"colorstream/dashboard/influx"
)

// source counts the reads. All is guarded by mu.
type source struct {
	mu    sync.Mutex
	reads int
	err   error
	from  time.Time
	to    time.Time
	step  time.Duration
}

func (s *source) History(_ context.Context, _ string, from, to time.Time, step time.Duration) ([]influx.Line, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	s.from, s.to, s.step = from, to, step
	if s.err != nil {
		return nil, s.err
	}
	return []influx.Line{{Color: "red", Values: []influx.Value{{Time: from, Value: 1}}}}, nil
}

func newDrawer(t *testing.T, s Source, now *time.Time) *Drawer {
	return NewDrawer(slog.New(slog.NewTextHandler(t.Output(), nil)), s, Config{
		Window: 5 * time.Second, Gap: 30 * time.Second, Reason: error.Error, Now: func() time.Time { return *now },
	})
}

func request(length time.Duration) Request {
	return Request{Statistic: "mean", Range: length, Width: 640, Height: 320}
}

func TestManyReadersCostOneRead(t *testing.T) {
	s, now := &source{}, epoch.Add(7*time.Second)
	d := newDrawer(t, s, &now)
	var readers sync.WaitGroup
	for range 100 {
		readers.Go(func() {
			if _, err := d.SVG(t.Context(), request(15*time.Minute)); err != nil {
				t.Error(err)
			}
		})
	}
	readers.Wait()
	if s.reads != 1 {
		t.Errorf("100 readers cost %d reads", s.reads)
	}
	if !s.to.Equal(epoch.Add(5*time.Second)) || s.to.Sub(s.from) != 15*time.Minute || s.step != 5*time.Second {
		t.Errorf("read %v to %v in steps of %v", s.from, s.to, s.step)
	}
	now = now.Add(3 * time.Second)
	if _, err := d.SVG(t.Context(), request(15*time.Minute)); err != nil || s.reads != 2 {
		t.Errorf("%d reads, %v: the picture is never drawn anew", s.reads, err)
	}
	if _, err := d.SVG(t.Context(), request(24*time.Hour)); err != nil || s.step != 6*time.Minute || !s.to.Equal(epoch.Add(6*time.Minute)) {
		t.Errorf("a day is read up to %v in steps of %v (%v)", s.to, s.step, err)
	}
}

func TestFailuresShowWhatWasReadBefore(t *testing.T) {
	s, now := &source{err: errors.New("it is away")}, epoch
	d := newDrawer(t, s, &now)
	svg, err := d.SVG(t.Context(), request(time.Hour))
	if !errors.Is(err, ErrNoData) || !bytes.Contains(svg, []byte("it is away")) {
		t.Errorf("at first: %v, %s", err, svg)
	}
	if _, err := d.SVG(t.Context(), request(time.Hour)); !errors.Is(err, ErrNoData) || s.reads != 1 {
		t.Errorf("a failure is not remembered: %d reads, %v", s.reads, err)
	}
	now, s.err = now.Add(retryTime), nil
	if _, err := d.SVG(t.Context(), request(time.Hour)); err != nil {
		t.Error(err)
	}
	now, s.err = now.Add(time.Minute), errors.New("it is away")
	svg, err = d.SVG(t.Context(), request(time.Hour))
	if err != nil || !bytes.Contains(svg, []byte("it is away, this is from 09:00:02")) || !bytes.Contains(svg, []byte("red")) {
		t.Errorf("after a good read: %v, %s", err, svg)
	}
	now = now.Add(maxAge)
	if _, err = d.SVG(t.Context(), request(time.Hour)); !errors.Is(err, ErrNoData) {
		t.Errorf("much later: %v", err)
	}
}

func TestUnknownZone(t *testing.T) {
	now := epoch
	r := request(time.Hour)
	r.Zone = "Nowhere/Land"
	if _, err := newDrawer(t, &source{}, &now).SVG(t.Context(), r); !errors.Is(err, ErrZone) {
		t.Errorf("an unknown time zone: %v", err)
	}
}
