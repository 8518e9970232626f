package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"colorstream/worker/source"
)

// probeTime is how long a probe waits for a message.
const probeTime = 3 * time.Second

// ErrNothing means that Redis answers, but no message came.
var ErrNothing = errors.New("no message came")

// Probe tries the settings: it connects, and waits a few seconds for a message, or looks for the
// newest in a stream. It gives the message and its age. Errors say what to do.
func (s *Source) Probe(ctx context.Context) (payload string, age time.Duration, err error) {
	client := s.client()
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, dialTimeout+probeTime)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		return "", 0, s.explain(err)
	}
	if s.cfg.Stream {
		return s.probeStream(ctx, client)
	}
	return s.probeChannel(ctx, client)
}

func (s *Source) probeChannel(ctx context.Context, client goredis.UniversalClient) (string, time.Duration, error) {
	name := s.cfg.Channel
	sub := client.Subscribe(ctx)
	defer sub.Close()
	for _, name := range s.channels {
		subscribe := sub.Subscribe
		if source.IsPattern(name) {
			subscribe = sub.PSubscribe
		}
		if err := subscribe(ctx, name); err != nil {
			return "", 0, s.explain(err)
		}
	}
	for deadline := time.Now().Add(probeTime); ; {
		received, err := sub.ReceiveTimeout(ctx, max(time.Until(deadline), time.Millisecond))
		switch received := received.(type) {
		case *goredis.Message:
			return received.Payload, 0, nil
		}
		if err == nil {
			continue // the subscription's confirmation
		}
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
			return "", 0, s.explain(err)
		}
		break
	}
	hint := "start the generator, or correct the channel's name; if messages are rarer than that, all is well"
	if kind, err := client.Type(ctx, name).Result(); err == nil && kind == "stream" {
		hint = "there is a stream of that name: choose the transport Stream"
	}
	return "", 0, fmt.Errorf("nothing was published on the channel %q in %v, though Redis answers: %s (%w)", name, probeTime, hint, ErrNothing)
}

func (s *Source) probeStream(
	ctx context.Context, client goredis.UniversalClient,
) (payload string, age time.Duration, err error) {
	name := s.cfg.Channel
	keys, err := s.keys(ctx, client)
	if err != nil {
		return "", 0, s.explain(err)
	}
	var at int64
	for _, key := range keys {
		newest, err := client.XRevRangeN(ctx, key, "+", "-", 1).Result()
		if err != nil {
			return "", 0, s.explain(err)
		}
		if len(newest) == 0 {
			continue
		}
		position := source.Position{ID: newest[0].ID}
		from := source.Milliseconds(position.ID)*int64(time.Millisecond) - int64(probeTime)
		err = source.Replay(ctx, client, key, from, position, func(entryAt int64, text string) {
			if entryAt > at {
				at, payload = entryAt, text
			}
		})
		if err != nil {
			return "", 0, s.explain(err)
		}
	}
	if at == 0 {
		hint := "start the generator with REDIS_TRANSPORT=stream, or correct the name"
		if subscribers, err := client.PubSubNumSub(ctx, name).Result(); err == nil &&
			subscribers[name] > 0 {
			hint = "there are subscribers to a channel of that name: choose the transport Pub/Sub"
		}
		return "", 0, fmt.Errorf("the stream %q is empty or not there, though Redis answers: %s (%w)",
			name, hint, ErrNothing)
	}
	now, err := client.Time(ctx).Result()
	if err != nil {
		return "", 0, s.explain(err)
	}
	return payload, max(now.Sub(time.Unix(0, at)), 0), nil
}

// Describe names the source for a person: its address and channel.
func (s *Source) Describe() string {
	kind := "channel"
	if s.cfg.Stream {
		kind = "stream"
	}
	return fmt.Sprintf("the %s %q on %s", kind, s.cfg.Channel, s.address())
}
