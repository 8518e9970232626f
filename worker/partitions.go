package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"colorstream/generator/message"
	"colorstream/generator/redisurl"
	"colorstream/generator/service"
	"colorstream/worker/source"
	"colorstream/worker/store"
	"colorstream/worker/window"
)

const (
	// lease is how long a partition stays a worker's that gives no sign of life.
	lease = 2 * time.Second
	// publishersLookBack is how long entries are kept for publishers that look for their last batch
	// after a lost answer.
	publishersLookBack = 10 * time.Second
	tendEvery          = time.Second
)

// partitions works on those partitions of a stream that are this worker's share: all of them if it
// is the only one, none if it is a standby. A partition is a worker of its own. Whatever fails ends
// it, and the next owner goes on from its last commit: start, crash, failover and hand-over are one
// path.
type partitions struct {
	log     *slog.Logger
	cfg     config
	keys    []string // all partitions' streams
	client  redisurl.Client
	name    string
	metrics *metrics
	senders senders
	redis   *service.Condition

	mu     sync.Mutex
	share  store.Share
	tried  int // partitions that are owned, or tried to be
	owned  map[string]*store.Redis
	broken map[string]error // why a partition that should be owned is not
}

func newPartitions(
	log *slog.Logger, cfg config, client redisurl.Client, m *metrics, to senders,
	condition *service.Condition,
) *partitions {
	p := &partitions{
		log: log, cfg: cfg, client: client,
		keys:    store.Streams(cfg.Channel, cfg.Partitions),
		name:    store.OwnerName(time.Now()),
		metrics: m, senders: to, redis: condition,
		owned: make(map[string]*store.Redis), broken: make(map[string]error),
	}
	for _, key := range p.keys {
		m.owned.WithLabelValues(key).Set(0)
	}
	return p
}

func (p *partitions) run(ctx context.Context) error {
	if err := p.check(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	members := store.NewMembers(p.client.Node, p.cfg.Channel, p.name, lease, len(p.keys))
	var all sync.WaitGroup
	all.Go(func() { p.heartbeat(ctx, members) })
	for _, key := range p.keys {
		all.Go(func() { p.hold(ctx, key) })
	}
	all.Wait()
	return nil
}

// check waits for Redis, and holds the number of partitions against what is there.
func (p *partitions) check(ctx context.Context) error {
	for said := ""; ; {
		err := store.CheckPartitions(ctx, p.client.Node, p.cfg.Channel, p.cfg.Partitions)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, store.ErrPartitions) {
			return err
		}
		p.redis.Set(err)
		if said != err.Error() {
			said = err.Error()
			p.log.Warn("not connected to Redis; trying again", "channel", p.cfg.Channel, "error", err)
		}
		source.Sleep(ctx, time.Second)
	}
}

// heartbeat learns the share until ctx ends, and then leaves: the others take the partitions as
// they are released.
func (p *partitions) heartbeat(ctx context.Context, members *store.Members) {
	defer func() {
		leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = members.Leave(leaving) // its lease ends anyway
	}()
	for ctx.Err() == nil {
		p.mu.Lock()
		n := len(p.owned)
		p.mu.Unlock()
		share, err := members.Heartbeat(ctx, n)
		p.mu.Lock()
		for key, broken := range p.broken {
			err = errors.Join(err, fmt.Errorf("partition %s: %w", key, broken))
		}
		if p.share.Partitions != share.Partitions {
			p.log.Info("partitions are shared", "workers", share.Workers, "mine", share.Partitions, "of",
				p.cfg.Partitions)
		}
		p.share, n = share, len(p.owned)
		p.mu.Unlock()
		note := fmt.Sprintf("owns %d of %d partitions", n, p.cfg.Partitions)
		if more := share.Partitions - n; more > 0 {
			note += fmt.Sprintf(", and takes %d more when their owner is gone", more)
		} else if share.Partitions == 0 {
			note = "standby: other workers own all partitions of " + p.cfg.Channel
		}
		p.redis.Note(note)
		if ctx.Err() == nil {
			p.redis.Set(err)
		}
		source.Sleep(ctx, lease/8)
	}
}

// try reports whether a partition may be taken.
func (p *partitions) try() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tried >= p.share.Partitions {
		return false
	}
	p.tried++
	return true
}

func (p *partitions) tryDone(key string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tried--
	if delete(p.broken, key); err != nil {
		p.broken[key] = err
	}
}

// giveUp reports whether a partition is to be given to another worker. It does not count from then
// on, or more would be given up before this one is.
func (p *partitions) giveUp(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.share.Excess == 0 {
		return false
	}
	p.share.Excess--
	delete(p.owned, key)
	return true
}

// hold owns a partition whenever that is this worker's share.
func (p *partitions) hold(ctx context.Context, key string) {
	log := p.log.With("stream", key)
	s := store.NewRedis(log, p.client.Node, key, p.name, lease, p.cfg.replicas())
	said := ""
	for ctx.Err() == nil {
		if p.try() {
			err := p.own(ctx, log, key, s)
			p.tryDone(key, err)
			switch {
			case err == nil:
				said = ""
			case ctx.Err() == nil && err.Error() != said:
				said = err.Error()
				p.client.Reload(ctx)
				log.Warn("a partition is given back; it goes on from its last commit", "error", err)
			}
		}
		source.Sleep(ctx, lease/32+rand.N(lease/16))
	}
}

var errGivenUp = errors.New("it is another worker's share now")

// own takes a partition if nobody has it, and works on it until ctx ends, it is lost, or something
// fails. The error is nil if there was nothing wrong.
func (p *partitions) own(ctx context.Context, log *slog.Logger, key string, s *store.Redis) error {
	taken, err := s.Acquire(ctx)
	if err != nil || !taken {
		return err
	}
	group, owning := errgroup.WithContext(ctx)
	group.Go(func() error { return p.renew(owning, key, s) })
	group.Go(func() error { return p.work(owning, group, log, key, s) })
	if err := group.Wait(); ctx.Err() == nil && !errors.Is(err, errGivenUp) {
		if errors.Is(err, store.ErrFenced) {
			p.metrics.fenced.Inc()
		}
		return err
	}
	releasing, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer done()
	if releaseErr := s.Release(releasing); releaseErr != nil {
		log.Warn("the lease is not given back; it ends by itself", "error", releaseErr)
	} else {
		log.Info("partition released")
	}
	return nil
}

// renew keeps the lease until ctx ends, it is lost, or the partition is to be given up.
func (p *partitions) renew(ctx context.Context, key string, s *store.Redis) error {
	for last := time.Now(); source.Sleep(ctx, lease/4); {
		switch err := s.Renew(ctx); {
		case err == nil && p.giveUp(key):
			return errGivenUp
		case err == nil:
			last = time.Now()
		case errors.Is(err, store.ErrFenced):
			return err
		case time.Since(last) > lease:
			return fmt.Errorf("the lease could not be renewed in time: %w", err)
		}
	}
	return nil
}

// work goes on from the last commit. It ends with ctx, or with an error.
func (p *partitions) work(
	ctx context.Context, beside *errgroup.Group, log *slog.Logger, key string, s *store.Redis,
) error {
	start := time.Now()
	saved, err := s.Load(ctx)
	if err != nil {
		return err
	}
	set, position, err := resume(log, p.cfg.windows(), saved,
		func(set *window.Set, position source.Position) error { // the values are still in the stream
			return source.Replay(ctx, p.client, key, set.Oldest(), position,
				func(at int64, payload string) { replay(set, at, payload) })
		})
	if err != nil {
		return fmt.Errorf("resume from the hash %s:worker: %w", key, err)
	}
	node, err := p.client.Node(ctx, key)
	if err != nil {
		return err
	}
	src := source.NewStream(log, node, key, position, set.NextDue, p.metrics.lost.Add)
	w := newWorker(log, src, set, position, s, p.metrics, p.senders, true)
	beside.Go(func() error {
		p.tend(ctx, log, key, s, w.commits, &progress{position: position})
		return nil
	})
	w.windows.room = func() {
		for ctx.Err() == nil && (w.commits.backlogged() || s.Full()) {
			source.Sleep(ctx, 5*time.Millisecond)
		}
	}

	p.mu.Lock()
	p.owned[key] = s
	p.mu.Unlock()
	p.metrics.owned.WithLabelValues(key).Set(1)
	p.metrics.takeovers.Inc()
	log.Info("partition acquired", "position", position.ID, "took",
		time.Since(start).Round(time.Millisecond))
	defer func() {
		p.mu.Lock()
		delete(p.owned, key)
		p.mu.Unlock()
		p.metrics.owned.WithLabelValues(key).Set(0)
	}()
	return w.run(ctx)
}

// tend trims an owned partition's stream, and measures how far the last commit is behind the newest
// entry, in time and in messages. An entry that was not read yet is taken to hold as many as those
// before it.
func (p *partitions) tend(
	ctx context.Context, log *slog.Logger, key string, s *store.Redis, commits *committer,
	start *progress,
) {
	defer p.metrics.lag.DeleteLabelValues(key)
	defer p.metrics.backlog.DeleteLabelValues(key)
	failed, trimmed := false, start
	for source.Sleep(ctx, tendEvery) {
		at := cmp.Or(commits.progress.Load(), start)
		if at.position.ID == "" {
			continue // nothing was ever committed
		}
		if at != trimmed {
			_, err := s.Trim(ctx, at.trim, max(p.cfg.StreamKeep.age, publishersLookBack),
				p.cfg.StreamKeep.count)
			if err != nil && ctx.Err() == nil && !failed {
				log.Warn("the stream is not trimmed", "error", err)
			}
			failed, trimmed = err != nil, at
		}
		newest, added, err := source.Look(ctx, p.client, key)
		if err != nil {
			continue
		}
		behind := max(0, newest-source.Milliseconds(at.position.ID))
		p.metrics.lag.WithLabelValues(key).Set(float64(behind) / 1000)
		messages := 0.0
		if read := at.position.Entries; read > 0 && added > read {
			messages = float64(added - read)
			if entries := read - start.position.Entries; entries > 0 {
				messages *= float64(at.messages) / float64(entries)
			}
		}
		p.metrics.backlog.WithLabelValues(key).Set(messages)
	}
}

// stats sums up what the owned partitions' stores hold.
func (p *partitions) stats() (sum store.Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.owned {
		one := s.Stats()
		sum.Bytes += one.Bytes
		sum.Batches += one.Batches
		sum.DroppedPoints += one.DroppedPoints
		sum.DroppedLetters += one.DroppedLetters
		if !one.Oldest.IsZero() && (sum.Oldest.IsZero() || one.Oldest.Before(sum.Oldest)) {
			sum.Oldest = one.Oldest
		}
	}
	return sum
}

// replay adds a payload's messages again to the windows that they were in.
func replay(set *window.Set, at int64, payload string) {
	for payload != "" {
		m, n, err := message.Next(payload)
		if payload = payload[n:]; err != nil {
			continue
		}
		event := at
		if !m.Time.IsZero() {
			event = m.Time.UnixNano()
		}
		set.Replay(m.Color, m.Value, at, event)
	}
}
