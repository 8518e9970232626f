package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// group and consumer are the worker's names in Redis. One worker reads a stream; another with the same names
	// goes on where the first stopped.
	group    = "worker"
	consumer = "worker"
	// payloadField is the entry's field that holds the message.
	payloadField = "m"
	// readCount is the most entries in one reply.
	readCount = 5000
	// claimIdle is after how long the entries of another consumer of the group are taken over.
	claimIdle = time.Minute
	// clockGrace is how long Redis may work off commands by a clock that it has looked at once.
	clockGrace = 250 * time.Millisecond
	// tidyEvery is how often the stream is trimmed and measured, and other consumers' entries are looked for.
	tidyEvery = 10 * time.Second
	// MaxBacklog is the length of the stream past which the log and a metric raise an alarm. Nothing is dropped.
	MaxBacklog = 10_000_000
)

// A Stream reads a Redis stream, in a consumer group. An entry is acknowledged when the sink's owner says, by
// Stored, that what it went into is durable; until then Redis keeps it, and gives it again after a restart.
//
// An entry's time is its id, which Redis gives and which never goes backward; so all entries before an instant have
// come when a later one has, or when Redis has none left and its clock says that instant. Redis may take ids from a
// clock that it looked at a moment before, so its clock is believed [clockGrace] later. Should an id come after all that
// is older than what the clock was believed to say, because the clock was set back, its entry has the time believed:
// it is counted in the next window rather than not at all.
type Stream struct {
	log   *slog.Logger
	opt   *redis.Options
	key   string
	width time.Duration
	sink  Sink
	state State
	full  func() bool // true while the sink's owner would rather have no more
	// known is how far an earlier run had come when it last stored something: what is given again up to there, and
	// belongs to a closed window, was counted then.
	known entryID

	safe       atomic.Int64 // from Stored
	length     atomic.Int64
	reconnects atomic.Uint64

	// The rest is the reading goroutine's.
	client *redis.Client
	last   entryID // the newest entry handed on
	// advanced is the time that the sink was last told.
	advanced int64
	unack    []handedOn // not acknowledged, sorted by id
	// recovered is true when all that an earlier run left unacknowledged has been handed on.
	recovered bool
	tidied    time.Time
	shared    bool // the log has said that other groups read the stream
}

// handedOn is an entry that the sink has.
type handedOn struct {
	id entryID
	at int64 // the time that the sink was given for it
}

func (h handedOn) compare(id entryID) int { return h.id.compare(id) }

// NewStream makes a source for a stream. reached and position are what the sink's owner has stored of the time and the
// position of before a restart, or 0 and nothing.
func NewStream(
	log *slog.Logger, opt *redis.Options, key string, width time.Duration, reached int64, position string,
	sink Sink, state State, full func() bool,
) *Stream {
	known, err := parseID(position)
	if err != nil && position != "" {
		log.Error("the position of before the restart is unreadable: entries may be counted again", "error", err)
	}
	return &Stream{
		log: log, opt: opt, key: key, width: width, known: known, advanced: reached, sink: sink, state: state, full: full,
	}
}

// Stored tells that every entry before the instant safe may be acknowledged.
func (s *Stream) Stored(safe int64) {
	for {
		old := s.safe.Load()
		if safe <= old || s.safe.CompareAndSwap(old, safe) {
			return
		}
	}
}

// Length is the number of entries in the stream when it was last measured.
func (s *Stream) Length() int64 { return s.length.Load() }

// Reconnects is how often Redis was lost and found again.
func (s *Stream) Reconnects() uint64 { return s.reconnects.Load() }

// Run reads until ctx ends. It waits for a Redis that is away.
func (s *Stream) Run(ctx context.Context) error {
	opt := *s.opt
	opt.Protocol = 2 // its replies are plain arrays
	opt.MaxRetries = -1
	s.client = dial(&opt, func() {}, func(*conn) {})
	defer s.client.Close()

	s.sink.Begin()
	s.sink.Heard(math.MinInt64) // a stream forgets nothing
	s.sink.End()

	backoff, failed := firstBackoff, time.Time{}
	for ctx.Err() == nil {
		err := s.read(ctx, func() {
			backoff = firstBackoff
			s.state(nil)
			if !failed.IsZero() {
				s.reconnects.Add(1)
				s.log.Info("Redis is back", "stream", s.key, "away", time.Since(failed).Round(time.Millisecond))
				failed = time.Time{}
			}
		})
		if ctx.Err() != nil {
			break
		}
		s.state(err)
		if failed.IsZero() {
			failed = time.Now()
			s.log.Warn("the stream cannot be read; trying again until it can", "stream", s.key, "address", s.opt.Addr, "error", err)
		}
		sleep(ctx, backoff)
		backoff = min(2*backoff, lastBackoff)
	}
	return nil
}

// read reads until something fails. After a failure, as after a start, entries may have been delivered that never
// arrived: so it begins with all that were delivered, are not acknowledged, and were not handed on.
func (s *Stream) read(ctx context.Context, connected func()) error {
	if err := s.join(ctx); err != nil {
		return err
	}
	for from := (entryID{}); ; {
		entries, err := s.fetch(ctx, 0, from.String())
		if err != nil {
			return err
		}
		connected()
		if len(entries) == 0 {
			break
		}
		from = entries[len(entries)-1].id
		s.handOn(slices.DeleteFunc(entries, func(e entry) bool { return s.has(e.id) }))
	}
	s.recovered = true
	for ctx.Err() == nil {
		if err := s.acknowledge(ctx); err != nil {
			return err
		}
		if err := s.tidy(ctx); err != nil {
			return err
		}
		if s.full() {
			sleep(ctx, tickMost)
			continue
		}
		if err := s.readNew(ctx); err != nil {
			return err
		}
	}
	return nil
}

// readNew hands on what is new. If there is nothing, all before Redis's time has come; then it waits a little.
func (s *Stream) readNew(ctx context.Context) error {
	// The time is asked first, in the same round trip: what is added after it has a later id.
	pipe := s.client.Pipeline()
	asked := pipe.Time(ctx)
	reply := pipe.Do(ctx, s.readArgs(-1, ">")...)
	if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read the stream: %w", err)
	}
	entries, err := parseReply(reply.Val())
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		s.handOn(entries)
		return nil
	}
	// Ids have whole milliseconds.
	now := asked.Val().Add(-clockGrace).UnixMilli() * int64(time.Millisecond)
	s.advanced = max(s.advanced, now)
	s.sink.Begin()
	s.sink.Advance(s.advanced)
	s.sink.End()
	wait := min(tickMost, time.Duration(int64(s.width)-now%int64(s.width)))
	if entries, err = s.fetch(ctx, max(wait, time.Millisecond), ">"); err != nil {
		return err
	}
	s.handOn(entries)
	return nil
}

func (s *Stream) readArgs(block time.Duration, from string) []any {
	args := []any{"xreadgroup", "group", group, consumer, "count", readCount}
	if block > 0 {
		args = append(args, "block", block.Milliseconds())
	}
	return append(args, "streams", s.key, from)
}

func (s *Stream) fetch(ctx context.Context, block time.Duration, from string) ([]entry, error) {
	reply, err := s.client.Do(ctx, s.readArgs(block, from)...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the stream: %w", err)
	}
	return parseReply(reply)
}

// handOn gives entries, in their order, to the sink.
func (s *Stream) handOn(entries []entry) {
	if len(entries) == 0 {
		return
	}
	s.sink.Begin()
	defer s.sink.End()
	for _, e := range entries {
		at := e.id.nanoseconds()
		again := !s.recovered && e.id.compare(s.known) <= 0
		if !again && s.last.compare(e.id) < 0 {
			at = max(at, s.advanced)
		}
		if e.gone {
			s.log.Error("an entry was removed before it was read", "stream", s.key, "id", e.id)
			s.sink.Lost(at)
			s.sink.Heard(at + int64(time.Millisecond))
		} else {
			s.sink.Message(e.payload, at, again)
		}
		h := handedOn{e.id, at}
		if len(s.unack) > 0 && e.id.compare(s.unack[len(s.unack)-1].id) < 0 { // another consumer's
			i, _ := slices.BinarySearchFunc(s.unack, e.id, handedOn.compare)
			s.unack = slices.Insert(s.unack, i, h)
		} else {
			s.unack = append(s.unack, h)
		}
		if s.last.compare(e.id) < 0 {
			s.last = e.id
		}
	}
	s.advanced = max(s.advanced, s.last.nanoseconds())
	s.sink.Position(s.last.String())
	s.sink.Advance(s.advanced)
}

// has tells whether an entry was handed on and is not acknowledged.
func (s *Stream) has(id entryID) bool {
	_, found := slices.BinarySearchFunc(s.unack, id, handedOn.compare)
	return found
}

// join makes the group, and the stream, if they are not there. If they were there before, Redis has lost them, and
// with them what was not read.
func (s *Stream) join(ctx context.Context) error {
	err := s.client.XGroupCreateMkStream(ctx, s.key, group, "0").Err()
	if err != nil {
		if strings.HasPrefix(err.Error(), "BUSYGROUP") {
			return nil
		}
		return fmt.Errorf("create the consumer group: %w", err)
	}
	if s.last == (entryID{}) {
		return nil
	}
	s.log.Error("Redis has lost the stream: what was not read is gone", "stream", s.key)
	from := s.last.nanoseconds()
	s.last, s.unack = entryID{}, nil
	now := s.sink.Begin()
	defer s.sink.End()
	s.sink.Lost(from)
	s.sink.Heard(now)
	return nil
}
