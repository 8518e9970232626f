package publish

import (
	"context"
	"fmt"
)

// Probe tries Redis and tells what it found there.
func (p *Publisher) Probe(ctx context.Context) (string, error) {
	if err := p.client.Ping(ctx).Err(); err != nil {
		return "", fmt.Errorf("redis %s: %w", p.address, explain(err))
	}
	channel := p.options.Channel
	if p.options.Transport == Stream {
		return p.probeStream(ctx)
	}
	subscribers, err := p.client.PubSubNumSub(ctx, channel).Result()
	if err != nil {
		return "", fmt.Errorf("redis %s: count subscribers of %q: %w", p.address, channel, err)
	}
	return fmt.Sprintf("%s answers; the channel %q has %d subscribers",
		p.address, channel, subscribers[channel]), nil
}

// probeStream looks at each partition, and at who works on it.
func (p *Publisher) probeStream(ctx context.Context) (string, error) {
	entries, owners := int64(0), make(map[string]bool)
	for _, b := range p.batches {
		length, err := p.client.XLen(ctx, b.key).Result()
		if err != nil {
			return "", fmt.Errorf("redis %s: length of the stream %q: %w", p.address, b.key, explain(err))
		}
		entries += length
		// An error is most often that there is no owner yet.
		if owner := p.client.HGet(ctx, b.key+":worker", "owner").Val(); owner != "" {
			owners[owner] = true
		}
	}
	return fmt.Sprintf("%s answers; the stream %q has %d partitions with %d entries, "+
		"and %d workers have worked on it last",
		p.address, p.options.Channel, len(p.batches), entries, len(owners)), nil
}
