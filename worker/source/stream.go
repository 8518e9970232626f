package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// replySize is about how many bytes one reply may have, and mostEntries how many entries.
	replySize   = 2 << 20
	mostEntries = 1000
	// blockFor is how long Redis waits for an entry before it answers that there is none. A reader
	// that is to end waits for the answer.
	blockFor = 250 * time.Millisecond
	// gatherFor is how long a reader that has everything waits for more. A reader that Redis wakes for
	// each entry costs Redis more than the entry.
	gatherFor = 20 * time.Millisecond
	// tickEvery is how often a reader looks whether a window waits for time to pass.
	tickEvery = 50 * time.Millisecond
)

// A Stream reads a Redis stream with plain XREAD. It is not a consumer group's member: Redis keeps
// nothing of it, and what it read is known to its caller alone.
type Stream struct {
	log    *slog.Logger
	client redis.UniversalClient
	key    string
	due    func() (at int64, ok bool)
	lost   func(entries float64)

	// The rest is Run's.
	sink     Sink
	now      int64
	position Position // its Entries are below zero if they are not known
	skew     int64    // Redis's clock less ours, by the newest entry, ns
	damaged  bool     // that the stream ends before the position has been said
}

// NewStream makes a reader that begins after a position, or at the stream's beginning if it is
// empty. due tells the time at which somebody waits for time to pass; if no entry comes, the reader
// then appends a tick. It may be nil: the reader then only reads. lost is told how many entries
// were deleted before they were read.
func NewStream(
	log *slog.Logger, client redis.UniversalClient, key string, after Position,
	due func() (int64, bool), lost func(entries float64),
) *Stream {
	if after.Entries == 0 {
		after.Entries = -1
	}
	return &Stream{log: log, client: client, key: key, due: due, lost: lost, position: after}
}

// A batch is the entries of one reply.
type batch struct {
	entries []entry
	after   string // the last id of before
	probe   probe
}

// Run reads until ctx ends, or Redis does not answer or says no: then it ends with the error, and
// all that it read has been handed on. Whoever goes on makes a new Stream.
func (s *Stream) Run(ctx context.Context, sink Sink) error {
	s.sink = sink
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan batch, 1) // one is read while another is handed on
	var reader sync.WaitGroup
	defer reader.Wait()
	defer cancel(nil)
	reader.Go(func() { cancel(s.read(ctx, batches)) })

	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	// What follows may have the newest entry's time, but the position is behind it.
	defer func() { s.sink.Time(s.now, s.where()) }()
	for {
		select {
		case <-ctx.Done():
			if parent.Err() != nil {
				return nil
			}
			return context.Cause(ctx)
		case b := <-batches:
			s.deliver(b)
		case <-ticker.C:
			s.sink.Time(s.now, s.where()) // so that what came last is not long without a commit
			if err := s.tick(ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("append a tick: %w", err)
			}
		}
	}
}

// read fetches entries until ctx ends or Redis fails.
func (s *Stream) read(ctx context.Context, out chan<- batch) error {
	after := s.position.ID
	if after == "" {
		after = "0-0"
	}
	count := mostEntries / 10
	for ctx.Err() == nil {
		pipe := s.client.Pipeline()
		read := pipe.XRead(ctx, &redis.XReadArgs{
			Streams: []string{s.key, after}, Count: int64(count), Block: blockFor,
		})
		looked := pipe.Eval(ctx, probeScript, []string{s.key}, after)
		_, _ = pipe.Exec(ctx) // each command has its own error
		b := batch{after: after}
		var err error
		if b.entries, err = parseRead(read.Result()); err == nil {
			b.probe, err = parseProbe(looked.Slice())
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read the stream %s: %w", s.key, err)
		}
		n := len(b.entries)
		hasAll := n < count
		if n > 0 {
			after = b.entries[n-1].id
			count = nextCount(b.entries)
		}
		select {
		case out <- b:
		case <-ctx.Done():
		}
		if hasAll {
			Sleep(ctx, gatherFor)
		}
	}
	return nil
}

// nextCount is how many entries the next reply may have, by the size of those of the last.
func nextCount(entries []entry) int {
	size := 0
	for _, e := range entries {
		size += len(e.text) + 64
	}
	return min(max(replySize*len(entries)/size, 1), mostEntries)
}

// parseRead takes XREAD's answer for one stream.
func parseRead(streams []redis.XStream, err error) ([]entry, error) {
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return parseEntries(streams[0].Messages)
}

func (s *Stream) deliver(b batch) {
	s.checkGap(b)
	for _, e := range b.entries {
		if at := e.at(); at > s.now {
			s.now = at
			s.sink.Time(at, s.where())
		}
		switch e.kind {
		case payload:
			s.sink.Message(e.text)
		case rejected:
			s.sink.Reject(ReasonFields, e.text)
		}
		s.position.ID = e.id
		if s.position.Entries >= 0 {
			s.position.Entries++
		}
	}
	if len(b.entries) > 0 {
		s.skew = s.now - time.Now().UnixNano()
	}
}

func (s *Stream) where() Position {
	return Position{ID: s.position.ID, Entries: max(s.position.Entries, 0)}
}

// checkGap looks whether somebody deleted entries before they were read.
func (s *Stream) checkGap(b batch) {
	lost, certain := s.count(b)
	switch {
	case lost > 0:
		s.lost(float64(lost))
		s.log.Error("entries were deleted from the stream before they were read: windows are incomplete",
			"stream", s.key, "entries", lost)
	case certain:
		return
	case b.probe.before(b.after):
		if !s.damaged {
			s.damaged = true
			s.log.Error("the stream ends before the entry that was read last: Redis has lost entries, or the stream was deleted",
				"stream", s.key, "read", b.after, "last", b.probe.last)
		}
	case b.after == "0-0" || b.probe.intact(b):
		return
	}
	from, _ := parseMS(b.after)
	to := from
	if n := len(b.entries); n > 0 {
		to = b.entries[n-1].ms
	}
	s.sink.Gap(from*int64(time.Millisecond), to*int64(time.Millisecond))
}

// tickScript appends a tick, also where Redis has no memory for others: what was read can then be
// committed, and trimmed.
const tickScript = `#!lua flags=allow-oom
return redis.call('XADD', KEYS[1], '*', '` + fieldTick + `', '1')`

// tick appends an entry without a message if somebody waits for time to pass and nothing comes.
func (s *Stream) tick(ctx context.Context) error {
	if s.due == nil {
		return nil
	}
	at, waits := s.due()
	if !waits || time.Now().UnixNano()+s.skew < at {
		return nil
	}
	id, err := s.client.Eval(ctx, tickScript, []string{s.key}).Text()
	if err != nil {
		return err
	}
	if ms, err := parseMS(id); err == nil {
		s.skew = ms*int64(time.Millisecond) - time.Now().UnixNano()
	}
	return nil
}

// Replay reads the entries from an instant, in nanoseconds since 1970, up to a position, whose time
// and payload replay takes.
func Replay(
	ctx context.Context, client redis.UniversalClient, key string, from int64, to Position,
	replay func(at int64, payload string),
) error {
	start, count := fmt.Sprint(from/int64(time.Millisecond)), mostEntries/10
	for to.ID != "" {
		reply, err := client.XRangeN(ctx, key, start, to.ID, int64(count)).Result()
		if err != nil {
			return fmt.Errorf("read the stream %s again: %w", key, err)
		}
		entries, err := parseEntries(reply)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.kind == payload {
				replay(e.at(), e.text)
			}
			start = "(" + e.id
		}
		if len(entries) < count || start == "("+to.ID {
			return nil
		}
		count = nextCount(entries)
	}
	return nil
}
