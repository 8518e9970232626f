package publish

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// Probe tries Redis and tells what it found there.
func (p *Publisher) Probe(ctx context.Context) (string, error) {
	if err := p.client.Ping(ctx).Err(); err != nil {
		return "", fmt.Errorf("redis %s: %w", p.Address(), explain(err))
	}
	if _, ok := p.transport.(*stream); ok {
		return p.probeStream(ctx)
	}
	subscribers, err := p.client.PubSubNumSub(ctx, p.channel).Result()
	if err != nil {
		return "", fmt.Errorf("redis %s: count subscribers of %q: %w", p.Address(), p.channel, err)
	}
	return fmt.Sprintf("%s answers; the channel %q has %d subscribers", p.Address(), p.channel, subscribers[p.channel]), nil
}

func (p *Publisher) probeStream(ctx context.Context) (string, error) {
	length, err := p.client.XLen(ctx, p.channel).Result()
	if err != nil {
		return "", fmt.Errorf("redis %s: length of the stream %q: %w", p.Address(), p.channel, explain(err))
	}
	groups, err := p.client.XInfoGroups(ctx, p.channel).Result()
	if err != nil && !redis.HasErrorPrefix(err, "no such key") {
		return "", fmt.Errorf("redis %s: groups of the stream %q: %w", p.Address(), p.channel, err)
	}
	return fmt.Sprintf("%s answers; the stream %q has %d entries and %d consumer groups", p.Address(), p.channel, length, len(groups)), nil
}
