package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// probeTime is how long a probe waits for a message.
const probeTime = 3 * time.Second

// ErrNothing means that Redis answers, but no message came.
var ErrNothing = errors.New("no message came")

// Probe tries the settings: it connects, and waits a few seconds for a message, or looks for the newest in a
// stream. It gives the message and its age. Errors say what to do.
func (s *Source) Probe(ctx context.Context) (payload string, age time.Duration, err error) {
	opt := *s.opt
	opt.Protocol = 2
	opt.PoolSize = 2
	opt.ContextTimeoutEnabled = true
	client := goredis.NewClient(&opt)
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

func (s *Source) probeChannel(ctx context.Context, client *goredis.Client) (string, time.Duration, error) {
	name := s.cfg.Channel
	sub := client.Subscribe(ctx, name)
	defer sub.Close()
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

func (s *Source) probeStream(ctx context.Context, client *goredis.Client) (string, time.Duration, error) {
	name := s.cfg.Channel
	entries, err := client.XRevRangeN(ctx, name, "+", "-", 1).Result()
	if err != nil {
		return "", 0, s.explain(err)
	}
	if len(entries) == 0 {
		hint := "start the generator with REDIS_TRANSPORT=stream, or correct the name"
		if subscribers, err := client.PubSubNumSub(ctx, name).Result(); err == nil && subscribers[name] > 0 {
			hint = "there are subscribers to a channel of that name: choose the transport Pub/Sub"
		}
		return "", 0, fmt.Errorf("the stream %q is empty or not there, though Redis answers: %s (%w)", name, hint, ErrNothing)
	}
	at, err := idTime(entries[0].ID)
	if err != nil {
		return "", 0, err
	}
	now, err := client.Time(ctx).Result()
	if err != nil {
		return "", 0, s.explain(err)
	}
	text, _ := entries[0].Values[entryField].(string)
	return text, max(now.Sub(time.Unix(0, at)), 0), nil
}

// Describe names the source for a person: its address and channel.
func (s *Source) Describe() string {
	kind := "channel"
	if s.cfg.Stream {
		kind = "stream"
	}
	return fmt.Sprintf("the %s %q on %s", kind, s.cfg.Channel, s.opt.Addr)
}
