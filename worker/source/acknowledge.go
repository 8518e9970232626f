package source

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// ackCount is the most ids in one XACK.
const ackCount = 1000

// acknowledge tells Redis what it need not keep for this group: entries whose windows are durable.
func (s *Stream) acknowledge(ctx context.Context) error {
	safe := s.safe.Load()
	n := 0
	for n < len(s.unack) && s.unack[n].at < safe {
		n++
	}
	if n == 0 {
		return nil
	}
	_, err := s.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for from := 0; from < n; from += ackCount {
			entries := s.unack[from:min(from+ackCount, n)]
			args := make([]any, 3, 3+len(entries))
			args[0], args[1], args[2] = "xack", s.key, group
			for _, h := range entries {
				args = append(args, h.id.String())
			}
			p.Do(ctx, args...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("acknowledge entries: %w", err)
	}
	// The rest moves to the front, so that memory follows what is open.
	s.unack = append(s.unack[:0], s.unack[n:]...)
	return nil
}

// tidy now and then removes from the stream what is acknowledged, takes over what another consumer left, and
// measures what is there. What no one has read, and what another group has not, is never removed.
func (s *Stream) tidy(ctx context.Context) error {
	if time.Since(s.tidied) < tidyEvery {
		return nil
	}
	s.tidied = time.Now()
	length, err := s.client.XLen(ctx, s.key).Result()
	if err != nil {
		return fmt.Errorf("measure the stream: %w", err)
	}
	s.length.Store(length)
	if length > MaxBacklog {
		s.log.Error("the stream is very long: the worker does not keep up, or its windows are very wide",
			"stream", s.key, "entries", length, "limit", MaxBacklog)
	}
	oldest := s.last
	if len(s.unack) > 0 {
		oldest = s.unack[0].id
	}
	groups, err := s.client.XInfoGroups(ctx, s.key).Result()
	if err != nil {
		return fmt.Errorf("list the stream's groups: %w", err)
	}
	if len(groups) != 1 {
		if !s.shared {
			s.log.Info("other groups read the stream too: it is not trimmed", "stream", s.key, "groups", len(groups))
		}
		s.shared = true
		return nil
	}
	pending, err := s.client.XPending(ctx, s.key, group).Result()
	if err != nil {
		return fmt.Errorf("list pending entries: %w", err)
	}
	for other := range pending.Consumers {
		if other != consumer {
			if err := s.takeOver(ctx, other); err != nil {
				return err
			}
		}
	}
	if lower, err := parseID(pending.Lower); pending.Count > 0 && err == nil && lower.compare(oldest) < 0 {
		oldest = lower // another consumer's, that it may still work on
	}
	// Redis removes some ten thousand at a time, so that it is never busy for long.
	for removed := int64(1); removed > 0; {
		if removed, err = s.client.XTrimMinIDApprox(ctx, s.key, oldest.String(), 0).Result(); err != nil {
			return fmt.Errorf("trim the stream: %w", err)
		}
	}
	return nil
}

// takeOver claims what another consumer of the group has left lying for a minute, and hands it on. What belongs to
// windows that have closed meanwhile is late.
func (s *Stream) takeOver(ctx context.Context, other string) error {
	left, err := s.client.XPendingExt(ctx, &redis.XPendingExtArgs{
		Stream: s.key, Group: group, Consumer: other, Idle: claimIdle, Start: "-", End: "+", Count: readCount,
	}).Result()
	if err != nil {
		return fmt.Errorf("list what consumer %s left: %w", other, err)
	}
	if len(left) == 0 {
		return nil
	}
	args := []any{"xclaim", s.key, group, consumer, claimIdle.Milliseconds()}
	for _, p := range left {
		args = append(args, p.ID)
	}
	reply, err := s.client.Do(ctx, args...).Result()
	if err != nil {
		return fmt.Errorf("claim what consumer %s left: %w", other, err)
	}
	entries, err := parseEntries(reply)
	if err != nil {
		return err
	}
	s.log.Warn("took over what another consumer left", "stream", s.key, "consumer", other, "entries", len(entries))
	s.handOn(entries)
	return nil
}
