package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/service/servicetest"
	"colorstream/generator/source"
	"colorstream/generator/tally"
)

// outlet is a sink that notes when what was published.
type outlet struct {
	start   time.Time
	waiting []float64
	flushes []string
	// before is called with each flush that has something to publish.
	before func(n int) (waited bool, err error)
}

func (o *outlet) Add(m message.Message) { o.waiting = append(o.waiting, m.Value) }

func (o *outlet) Waiting() int { return len(o.waiting) }

func (o *outlet) Flush(context.Context) (waited bool, err error) {
	if len(o.waiting) == 0 {
		return false, nil
	}
	if o.before != nil {
		waited, err = o.before(len(o.flushes))
	}
	if err == nil {
		o.flushes = append(o.flushes, fmt.Sprintf("%s %v", time.Since(o.start), o.waiting))
	}
	o.waiting = nil
	return waited, err
}

// ready gives records that are at hand, and their end.
func ready(end error, records ...source.Record) <-chan source.Item {
	items := make(chan source.Item, len(records)+1)
	for _, r := range records {
		items <- source.Item{Record: r}
	}
	if end != nil {
		items <- source.Item{Err: end}
	}
	close(items)
	return items
}

func values(n int) (records []source.Record) {
	for i := range n {
		record := source.Record{Line: i + 1}
		record.Color, record.Value = "red", float64(i)
		records = append(records, record)
	}
	return records
}

// inBubble runs a feed in fake time, checks when it publishes what, and gives its log.
func inBubble(t *testing.T, f *feed, wantErr error, want ...string) *servicetest.Output {
	t.Helper()
	log := new(servicetest.Output)
	synctest.Test(t, func(t *testing.T) {
		o, ok := f.sink.(*outlet)
		if !ok {
			o = &outlet{}
			f.sink = o
		}
		o.start = time.Now()
		f.log = slog.New(slog.NewTextHandler(log, nil))
		f.tally = tally.New()
		if err := f.run(t.Context()); !errors.Is(err, wantErr) {
			t.Errorf("ends with %v, want %v", err, wantErr)
		}
		if diff := cmp.Diff(want, o.flushes); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
	return log
}

func TestFeedPaces(t *testing.T) {
	t.Parallel()
	second := func() pace { return steady(float64(time.Second)) }
	inBubble(t, &feed{records: ready(nil, values(3)...), pace: second()}, nil,
		"0s [0]", "1s [1]", "2s [2]")
	inBubble(t, &feed{records: ready(nil, values(9)...), count: 2, pace: second()}, nil,
		"0s [0]", "1s [1]")
	inBubble(t, &feed{records: ready(nil, values(3)...)}, nil, "0s [0 1 2]")
	many := values(2*publish.BatchSize + 1) // as many at once as the sink takes
	var batches []string
	for batch := range slices.Chunk(many, publish.BatchSize) {
		var o outlet
		for _, r := range batch {
			o.Add(r.Message)
		}
		batches = append(batches, fmt.Sprintf("0s %v", o.waiting))
	}
	inBubble(t, &feed{records: ready(nil, many...)}, nil, batches...)
	broken := errors.New("disk gone")
	inBubble(t, &feed{records: ready(broken, values(2)...)}, broken, "0s [0 1]")

	at := func(value float64, after time.Duration) source.Record {
		m := message.Message{Color: "red", Value: value, Time: time.Unix(1e9, 0).Add(after)}
		return source.Record{Message: m}
	}
	none := values(1)[0] // has no time: due at once, as one before a time already seen
	timed := []source.Record{
		none, at(1, 0), at(2, 0), at(3, 3*time.Second), at(4, time.Second), none,
		at(5, 4*time.Second), at(6, time.Hour),
	}
	inBubble(t, &feed{records: ready(nil, timed...), pace: byTimes(1)},
		nil, "0s [0 1 2]", "3s [3 4 0]", "4s [5]", "1h0m0s [6]")
	inBubble(t, &feed{records: ready(nil, timed...), pace: byTimes(3600)},
		nil, "0s [0 1 2]", "833.333µs [3 4 0]", "1.111111ms [5]", "1s [6]")
}

// What has been read is not held back while the input is silent.
func TestFeedOfASilentInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		items, records := make(chan source.Item, 2), values(3)
		items <- source.Item{Record: records[0]}
		items <- source.Item{Record: records[1]}
		time.AfterFunc(time.Second, func() {
			items <- source.Item{Record: records[2]}
			close(items)
		})
		o, log := &outlet{start: time.Now()}, new(servicetest.Output)
		f := &feed{
			log: slog.New(slog.NewTextHandler(log, nil)), records: items, sink: o, tally: tally.New(),
			pace: steady(1),
		}
		if err := f.run(t.Context()); err != nil {
			t.Error(err)
		}
		want := []string{"0s [0]", "5ms [1]", "1s [2]"}
		if diff := cmp.Diff(want, o.flushes); diff != "" || log.String() != "" {
			t.Errorf("-want +got\n%s\nlog: %s", diff, log)
		}
	})
}

// After an outage a steady pace goes on, without a burst of what it missed; and every message is
// there. An error of Redis that does not pass ends the feed.
func TestFeedAndRedis(t *testing.T) {
	t.Parallel()
	second := func(then func() (bool, error)) *outlet {
		return &outlet{before: func(n int) (bool, error) {
			if n == 1 {
				return then()
			}
			return false, nil
		}}
	}
	away := second(func() (bool, error) {
		time.Sleep(10 * time.Second)
		return true, nil
	})
	log := inBubble(t, &feed{sink: away, records: ready(nil, values(5)...), pace: steady(1e9)}, nil,
		"0s [0]", "11s [1]", "11s [2]", "11.75s [3]", "12.75s [4]")
	if log.String() != "" {
		t.Errorf("Redis was away, and the pace is called too fast:\n%s", log)
	}
	slow := second(func() (bool, error) {
		time.Sleep(10 * time.Second)
		return false, nil
	})
	log = inBubble(t, &feed{sink: slow, records: ready(nil, values(4)...), pace: steady(1e9)}, nil,
		"0s [0]", "11s [1]", "11s [2]", "11.75s [3]")
	if log.Count("cannot keep the pace") != 1 || log.Count("behind_in_all=8.75s") != 1 {
		t.Errorf("a pace that is too fast:\n%s", log)
	}
	rejected := errors.New("NOPERM")
	denied := second(func() (bool, error) { return false, rejected })
	inBubble(t, &feed{sink: denied, records: ready(nil, values(5)...), pace: steady(1e9)},
		rejected, "0s [0]")
}

func TestFeedStops(t *testing.T) {
	t.Parallel()
	for _, p := range []pace{nil, steady(float64(time.Hour))} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			o := &outlet{start: time.Now()}
			o.before = func(n int) (bool, error) {
				time.Sleep(time.Millisecond)
				if n == 3 {
					cancel()
				}
				return false, nil
			}
			if p != nil {
				time.AfterFunc(time.Minute, cancel)
			}
			f := &feed{
				log: slog.New(slog.DiscardHandler), sink: o, pace: p, tally: tally.New(),
				made: source.Random(1, []string{"red"}, []string{""}, 1, 9),
			}
			if err := f.run(ctx); err != nil {
				t.Error(err)
			}
			if len(o.flushes) == 0 || o.Waiting() != 0 {
				t.Errorf("%d flushes, %d messages left", len(o.flushes), o.Waiting())
			}
		})
	}
}
