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
	})
	var readers sync.WaitGroup
	for _, key := range keys {
		r := &reader{source: s, client: client, key: key, Sink: partition()}
		readers.Go(func() { s.retry(ctx, key, func() error { return r.read(ctx) }) })
	}
	readers.Wait()
}

// retry calls f until it succeeds or ctx ends, and logs a failure once.
func (s *Source) retry(ctx context.Context, key string, f func() error) {
	var said string
	for {
		start := time.Now()
		err := f()
		if err == nil || ctx.Err() != nil {
			return
		}
		if time.Since(start) > 2*retryEvery { // it went well until then
			said = ""
		}
		if text := s.explain(err).Error(); text != said {
			said = text
			s.log.Warn("the stream cannot be read; trying again until it can",
				"address", s.target.Address(), "stream", key, "error", text)
		}
		source.Sleep(ctx, retryEvery)
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

// read reads until Redis fails or ctx ends.
func (r *reader) read(ctx context.Context) error {
	err := r.begin(ctx)
	if err == nil {
		r.State(nil)
		address := r.source.target.Address()
		r.source.log.Info("reading Redis's stream", "address", address, "stream", r.key)
		lost := func(float64) {} // it is logged, and the sink is told of the gap
		err = source.NewStream(r.source.log, r.client, r.key, r.position, nil, lost).Run(ctx, r)
	}
	if err != nil {
		r.State(err)
	}
	return err
}

// begin finds the stream's end at first: what is there already is not shown, so the window of the
// newest entry is not complete.
func (r *reader) begin(ctx context.Context) error {
	back := r.source.back
	newest, err := r.client.XRevRangeN(ctx, r.key, "+", "-", back+1).Result()
	if err != nil || r.began {
		return err
	}
	r.began = true
	if int64(len(newest)) > back {
		id := newest[back].ID
		at := source.Milliseconds(id) * int64(time.Millisecond)
		r.Gap(0, at+1)
		r.Time(at, source.Position{ID: id})
	}
	return nil
}
