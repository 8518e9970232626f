package redis

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"colorstream/generator/redisurl"
	"colorstream/worker/source"
)

const (
	// probeTime is how long a probe waits for a message.
	probeTime = 3 * time.Second
	// probeBack is among how many of a stream's newest entries it looks for one.
	probeBack = 100
)

// A probe is a Sink that hands on one message, and what becomes of the connection.
type probe struct {
	messages chan string
	states   chan error
}

func (p probe) Message(payload string)      { offer(p.messages, payload) }
func (p probe) State(err error)             { offer(p.states, err) }
func (p probe) Reject(_, payload string)    { offer(p.messages, payload) }
func (p probe) Time(int64, source.Position) {}
func (p probe) Gap(int64, int64)            {}

func offer[T any](to chan T, value T) {
	select {
	case to <- value:
	default:
	}
}

// Probe tries the settings: it receives for a few seconds until a message comes, which it gives; a
// stream's may be there already. Errors say what to do.
func (s *Source) Probe(ctx context.Context) (payload string, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	client := s.client()
	defer client.Close()
	if s.cfg.Stream {
		_, err = s.keys(ctx, client)
	} else {
		err = client.Ping(ctx).Err()
	}
	if err != nil {
		return "", s.explain(err)
	}
	p := probe{messages: make(chan string, 1), states: make(chan error, 1)}
	silent := *s
	silent.log, silent.back = slog.New(slog.DiscardHandler), probeBack
	running.Go(func() { silent.Run(ctx, func() Sink { return p }) })

	wait := time.After(dialTimeout + probeTime)
	for {
		select {
		case payload := <-p.messages:
			return payload, nil
		case err := <-p.states:
			if err != nil {
				return "", s.explain(err)
			}
			wait = time.After(probeTime)
		case <-wait:
			return "", s.nothing(ctx, client)
		case <-ctx.Done():
			return "", s.explain(ctx.Err())
		}
	}
}

// nothing says why no message may have come.
func (s *Source) nothing(ctx context.Context, client redisurl.Client) error {
	name := s.cfg.Channel
	hint := "start the generator, or correct the name; if messages are rarer than that, all is well"
	if s.cfg.Stream {
		if n, err := client.PubSubNumSub(ctx, name).Result(); err == nil && n[name] > 0 {
			hint = "there are subscribers to a channel of that name: choose the transport Pub/Sub"
		}
	} else if is, err := client.Type(ctx, name).Result(); err == nil && is == "stream" {
		hint = "there is a stream of that name: choose the transport Stream"
	}
	return fmt.Errorf("nothing came from %s in %v, though Redis answers: %s", s.Describe(), probeTime,
		hint)
}

// Describe names the source for a person: its address and channel.
func (s *Source) Describe() string {
	kind := "channel"
	if s.cfg.Stream {
		kind = "stream"
	}
	return fmt.Sprintf("the %s %q on %s", kind, s.cfg.Channel, s.target.Address())
}
