package publish

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// EntryField is the field of a stream's entry that holds the message.
const EntryField = "m"

// markerLife is how long Redis keeps the number of the newest batch of a run that did not end in order.
const markerLife = 24 * time.Hour

// stream appends entries, a transaction for each batch:
//
//	MULTI
//	SET <channel>:generator:<run> <number of the batch> EX 86400
//	XADD <channel> * m <message>      for each message
//	XLEN <channel>
//	EXEC
type stream struct {
	p       *Publisher
	marker  string
	max     int64
	number  uint64 // number of the batch that is being sent
	inDoubt bool   // its transaction was sent, its answer did not come
}

func newStream(p *Publisher, longest int64) *stream {
	return &stream{p: p, marker: p.channel + ":generator:" + rand.Text(), max: longest, number: 1}
}

func (s *stream) command(payload *payload) redis.Cmder {
	return redis.NewStringCmd(context.Background(), "xadd", s.p.channel, "*", EntryField, payload)
}

func (s *stream) send(ctx context.Context, b *batch) error {
	if s.inDoubt {
		if err := s.lookUp(ctx, b); err != nil || b.n == 0 {
			return err
		}
	}
	if err := s.room(ctx); err != nil {
		return err
	}
	tx := s.p.client.TxPipeline()
	tx.Set(ctx, s.marker, s.number, markerLife)
	_ = tx.BatchProcess(ctx, b.commands()...) // it only queues
	length := tx.XLen(ctx, s.p.channel)
	_, err := tx.Exec(ctx)
	switch {
	case err == nil:
		s.p.streamLength.Store(length.Val())
		s.done(b)
	case answered(err):
		err = s.refused(b, err)
	case !s.p.dial.failing():
		s.inDoubt = true
	}
	return err
}

// lookUp finds out whether the batch in doubt is in the stream.
func (s *stream) lookUp(ctx context.Context, b *batch) error {
	if err := s.fence(ctx); err != nil {
		return err
	}
	arrived, err := s.p.client.Get(ctx, s.marker).Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("look whether the last batch arrived: %w", err)
	}
	s.inDoubt = false
	if err == nil && arrived == s.number {
		s.done(b)
	}
	return nil
}

func (s *stream) done(b *batch) {
	s.p.published.Add(uint64(b.n))
	s.number++
	b.n = 0
}

// refused returns the cause of a transaction's failure: Redis carries out none of it if it refuses a command
// while it queues them, and those that it can if it refuses one later.
func (s *stream) refused(b *batch, err error) error {
	cause := err
	var published uint64
	b.keep(func(cmd redis.Cmder) bool {
		switch err := cmd.Err(); {
		case err == nil:
			published++
			return false
		case answered(err) && (cause == err || redis.IsExecAbortError(cause)):
			cause = err
		}
		return true
	})
	s.p.published.Add(published)
	if published > 0 {
		s.number++
	}
	return cause
}

// room waits for nobody: it fails while the stream is longer than it may be.
func (s *stream) room(ctx context.Context) error {
	if s.max == 0 || s.p.streamLength.Load() <= s.max {
		return nil
	}
	length, err := s.p.client.XLen(ctx, s.p.channel).Result()
	if err != nil {
		return err
	}
	s.p.streamLength.Store(length)
	if length > s.max {
		return fmt.Errorf("the stream %q has %d entries, more than GENERATOR_STREAM_MAX=%d: does the worker read it?",
			s.p.channel, length, s.max)
	}
	return nil
}

func (s *stream) close(ctx context.Context) error {
	if s.inDoubt {
		return nil
	}
	return s.p.client.Del(ctx, s.marker).Err()
}
