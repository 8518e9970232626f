package publish

import (
	"context"

	"github.com/redis/go-redis/v9"
)

// pubsub publishes with a pipeline of PUBLISH commands.
type pubsub struct{ p *Publisher }

func (s *pubsub) command(payload *payload) redis.Cmder {
	return redis.NewIntCmd(context.Background(), "publish", s.p.channel, payload)
}

func (s *pubsub) send(ctx context.Context, b *batch) error {
	pipe := s.p.client.Pipeline()
	_ = pipe.BatchProcess(ctx, b.commands()...) // it only queues
	_, failed := pipe.Exec(ctx)
	sent := !s.p.dial.failing()

	var published, unheard, unconfirmed uint64
	var receivers int64
	b.keep(func(cmd redis.Cmder) bool {
		err := cmd.Err()
		switch {
		case err == nil:
			published++
			if receivers = cmd.(*redis.IntCmd).Val(); receivers == 0 {
				unheard++
			}
			return false
		case !answered(err) && sent:
			unconfirmed++
			return false
		case failed == nil:
			failed = err
		}
		return true
	})
	s.p.published.Add(published)
	s.p.unheard.Add(unheard)
	s.p.unconfirmed.Add(unconfirmed)
	if published > 0 {
		s.p.listened(receivers)
	}
	return failed
}

func (s *pubsub) close(context.Context) error { return nil }
