package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

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
	trimEvery          = time.Second
)

// partitions works on those partitions of a stream that are this worker's share: all of them if it
// is the only one, none if it is a standby. A partition is a worker of its own. Whatever fails ends
// it, and the next owner goes on from its last commit: start, crash, failover and hand-over are one
// path.
type partitions struct {
	log     *slog.Logger
	cfg     config
	client  redisurl.Client
	node    store.Node
	name    string
	metrics *metrics
	senders senders
	state   source.State
	note    func(string)

	mu     sync.Mutex
	share  int // partitions that should be this worker's
	excess int // partitions to be given up
	tried  int // partitions that are owned, or tried to be
	owned  map[string]*owned
	broken map[string]error // why a partition that should be owned is not
}

func newPartitions(
	log *slog.Logger, cfg config, client redisurl.Client, m *metrics, to senders,
	condition *service.Condition,
) *partitions {
	return &partitions{
		log: log, cfg: cfg, client: client,
		node:    client.Node,
		name:    store.OwnerName(time.Now()),
		metrics: m, senders: to, state: condition.Set, note: condition.Note,
		owned: make(map[string]*owned), broken: make(map[string]error),
	}
}

func (p *partitions) run(ctx context.Context) error {
	keys := store.Streams(p.cfg.Channel, p.cfg.Partitions)
	if err := p.check(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	members := store.NewMembers(p.node, p.cfg.Channel, p.name, lease, len(keys))
	var all sync.WaitGroup
	all.Go(func() { p.heartbeat(ctx, members) })
	all.Go(func() { p.measure(ctx) })
	for _, key := range keys {
		all.Go(func() { p.hold(ctx, key) })
	}
	all.Wait()
	return nil
}

// check waits for Redis, and holds the number of partitions against what is there.
func (p *partitions) check(ctx context.Context) error {
	for said := ""; ; {
		err := store.CheckPartitions(ctx, p.node, p.cfg.Channel, p.cfg.Partitions)
		if err == nil || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, store.ErrPartitions) {
			return err
		}
		p.state(err)
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
		if p.share != share.Partitions {
			p.log.Info("partitions are shared", "workers", share.Workers, "mine", share.Partitions, "of",
				p.cfg.Partitions)
		}
		p.share, p.excess = share.Partitions, share.Excess
		p.mu.Unlock()
		p.say()
		if ctx.Err() == nil {
			p.state(err)
		}
		source.Sleep(ctx, lease/8)
	}
}

// say tells /readyz what is owned.
func (p *partitions) say() {
	p.mu.Lock()
	n, share := len(p.owned), p.share
	p.mu.Unlock()
	switch {
	case share == 0:
		p.note("standby: other workers own all partitions of " + p.cfg.Channel)
	case n < share:
		p.note(fmt.Sprintf("owns %d partitions, and takes %d more when their owner is gone", n, share-n))
	default:
		p.note(fmt.Sprintf("owns %d of %d partitions", n, p.cfg.Partitions))
	}
}

// try reports whether a partition may be taken.
func (p *partitions) try() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tried >= p.share {
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

// giveUp reports whether the partition that asks is to be given to another worker.
func (p *partitions) giveUp() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.excess <= 0 {
		return false
	}
	p.excess--
	return true
}

// hold owns a partition whenever that is this worker's share.
func (p *partitions) hold(ctx context.Context, key string) {
	log := p.log.With("stream", key)
	s := store.NewRedis(log, p.node, key, p.name, lease, p.cfg.replicas())
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

// Causes for which an owner stops.
var (
	errGivenUp = errors.New("it is another worker's share now")
	errLease   = errors.New("the lease could not be renewed in time")
)

// own takes a partition if nobody has it, and works on it until ctx ends, it is lost, or something
// fails. The error is nil if there was nothing wrong.
func (p *partitions) own(ctx context.Context, log *slog.Logger, key string, s *store.Redis) error {
	taken, err := s.Acquire(ctx)
	if err != nil || !taken {
		return err
	}
	owning, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var renewing sync.WaitGroup
	defer renewing.Wait()
	defer cancel(nil)
	renewing.Go(func() { p.renew(owning, s, cancel) })

	err = p.work(owning, log, key, s)
	cause := context.Cause(owning)
	if ctx.Err() == nil && !errors.Is(cause, errGivenUp) {
		if errors.Is(err, store.ErrFenced) || errors.Is(cause, store.ErrFenced) {
			p.metrics.fenced.Inc()
		}
		if cause != nil {
			return errors.Join(cause, err)
		}
		if err == nil {
			err = errors.New("it ended by itself")
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
	return err
}

// renew keeps the lease until ctx ends, and cancels when it is lost.
func (p *partitions) renew(ctx context.Context, s *store.Redis, cancel context.CancelCauseFunc) {
	for last := time.Now(); source.Sleep(ctx, lease/4); {
		switch err := s.Renew(ctx); {
		case err == nil && p.giveUp():
			cancel(errGivenUp)
		case err == nil:
			last = time.Now()
		case errors.Is(err, store.ErrFenced):
			cancel(err)
		case time.Since(last) > lease:
			cancel(fmt.Errorf("%w: %w", errLease, err))
		}
	}
}

// work goes on from the last commit.
func (p *partitions) work(ctx context.Context, log *slog.Logger, key string, s *store.Redis) error {
	start := time.Now()
	saved, err := s.Load(ctx)
	if err != nil {
		return err
	}
	set, position, err := resume(ctx, log, p.client.UniversalClient, key, p.cfg.windows(), saved)
	if err != nil {
		return err
	}
	node, err := p.node(ctx, key)
	if err != nil {
		return err
	}
	src := source.NewStream(log, node, key, position, set.NextDue, p.metrics.lost.Add)
	w := newWorker(log, s, saved, set, position, p.metrics, p.senders, true)
	w.source = src
	var trimming sync.WaitGroup
	trims, stopTrimming := context.WithCancel(ctx)
	defer trimming.Wait()
	defer stopTrimming()
	oldest := make(chan string, 1)
	trimming.Go(func() { p.trim(trims, log, s, oldest) })
	w.commits.committed = func(trim string) { keepNewest(oldest, trim) }
	w.windows.room = func() {
		for ctx.Err() == nil && (w.commits.backlogged() || s.Full()) {
			source.Sleep(ctx, 5*time.Millisecond)
		}
	}

	p.mu.Lock()
	p.owned[key] = &owned{store: s, commits: w.commits, from: position.Entries}
	p.mu.Unlock()
	p.metrics.takeovers.Inc()
	p.say()
	log.Info("partition acquired", "position", position.ID, "took",
		time.Since(start).Round(time.Millisecond))
	defer func() {
		p.mu.Lock()
		delete(p.owned, key)
		p.mu.Unlock()
		p.say()
	}()
	return w.run(ctx)
}

// keepNewest puts a value into a channel that holds one.
func keepNewest(c chan string, value string) {
	select {
	case <-c:
	default:
	}
	c <- value
}

// trim trims the stream now and then.
func (p *partitions) trim(
	ctx context.Context, log *slog.Logger, s *store.Redis, oldest <-chan string,
) {
	failed := false
	for source.Sleep(ctx, trimEvery) {
		select {
		case before := <-oldest:
			_, err := s.Trim(ctx, before, max(p.cfg.StreamKeep.age, publishersLookBack),
				p.cfg.StreamKeep.count)
			if err != nil && ctx.Err() == nil && !failed {
				log.Warn("the stream is not trimmed", "error", err)
			}
			failed = err != nil
		case <-ctx.Done():
		}
	}
}

// resume makes the windows of a partition as they were at its last commit: the state holds no
// values, which are read from the stream again.
func resume(
	ctx context.Context, log *slog.Logger, client redis.UniversalClient, key string,
	cfg window.Config, saved store.Saved,
) (*window.Set, source.Position, error) {
	if len(saved.State) == 0 {
		return window.NewSet(cfg), source.Position{}, nil
	}
	var state savedState
	if err := json.Unmarshal(saved.State, &state); err != nil {
		return nil, source.Position{}, fmt.Errorf(
			"the state of the stream %s cannot be read (field state of %s:worker): %w", key, key, err)
	}
	set := window.Restore(cfg, state.Windows)
	position := source.Position{ID: saved.Position, Entries: state.Entries}
	if len(state.Windows.Open) > 0 {
		err := source.Replay(ctx, client, key, set.Oldest(), position, func(at int64, payload string) {
			replay(set, at, payload)
		})
		if err != nil {
			return nil, position, err
		}
	}
	if missing := set.Check(state.Windows); missing > 0 {
		log.Error("entries of open windows were deleted from the stream: the windows are incomplete",
			"messages", missing)
	}
	return set, position, nil
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
