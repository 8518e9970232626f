package redis

import (
	"context"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"colorstream/worker/source"
)

// runStreams reads all partitions until ctx ends.
func (s *Source) runStreams(ctx context.Context, partition func() Sink) {
	client := s.client()
	defer client.Close()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })() // wakes blocked reads
	var keys []string
	s.retry(ctx, s.cfg.Channel, func() (err error) {
		keys, err = s.keys(ctx, client)
		return err
	}, func() {})
	var readers sync.WaitGroup
	for _, key := range keys {
		r := &reader{source: s, client: client, key: key, Sink: partition()}
		readers.Go(func() { s.retry(ctx, key, func() error { return r.read(ctx) }, r.lost) })
	}
	readers.Wait()
}

// retry calls f until it succeeds or ctx ends, with back-off, and logs the first failure.
func (s *Source) retry(ctx context.Context, key string, f func() error, failed func()) {
	backoff := firstBackoff
	var since time.Time
	for ctx.Err() == nil {
		start := time.Now()
		err := f()
		if err == nil || ctx.Err() != nil {
			return
		}
		failed()
		if time.Since(start) > lastBackoff { // it went well until then
			backoff, since = firstBackoff, time.Time{}
		}
		if since.IsZero() {
			since = time.Now()
			s.log.Warn("the stream cannot be read; trying again until it can",
				"address", s.address(), "stream", key, "error", s.explain(err).Error())
		}
		select {
		case <-ctx.Done():
		case <-time.After(backoff):
		}
		backoff = min(2*backoff, lastBackoff)
	}
}

// A reader reads one partition, and goes on where it was after Redis was away.
type reader struct {
	Sink
	source   *Source
	client   goredis.UniversalClient
	key      string
	began    bool
	position source.Position
}

// Time notes how far the stream was read.
func (r *reader) Time(at int64, position source.Position) {
	if position.ID != "" {
		r.position = position
	}
	r.Sink.Time(at, position)
}

func (r *reader) lost() { r.Connected(false) }

// read reads until Redis fails or ctx ends.
func (r *reader) read(ctx context.Context) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	r.Connected(true)
	r.source.log.Info("reading Redis's stream", "address", r.source.address(), "stream", r.key)
	lost := func(float64) {} // it is logged, and the sink is told of the gap
	return source.NewStream(r.source.log, r.client, r.key, r.position, nil, lost).Run(ctx, r)
}

// begin finds the stream's end at first: what is there already is not shown, so the window of the
// newest entry is not complete.
func (r *reader) begin(ctx context.Context) error {
	newest, err := r.client.XRevRangeN(ctx, r.key, "+", "-", 1).Result()
	if err != nil || r.began {
		return err
	}
	r.began = true
	if len(newest) > 0 {
		at := source.Milliseconds(newest[0].ID) * int64(time.Millisecond)
		r.Gap(0, at+1)
		r.Time(at, source.Position{ID: newest[0].ID})
	}
	return nil
}
