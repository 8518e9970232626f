package redis

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// readCount is the most entries in one reply.
const readCount = 5000

// stream reads a stream's new entries, as often as the sink wants ticks. Their time is that of their ids, and it has come as far as the newest entry,
// or as Redis's own clock when there is none.
type stream struct {
	source *Source
	sink   Sink

	at     int64 // source time
	readAt time.Time
	failed time.Time
	known  bool // it could be read before
}

// now is source time while Redis says nothing.
func (s *stream) now() int64 {
	if s.at == 0 {
		return s.sink.Now()
	}
	return s.at + int64(time.Since(s.readAt))
}

// reached notes how far source time has come.
func (s *stream) reached(at int64) {
	s.at, s.readAt = max(s.at, at), time.Now()
}

func (s *stream) run(ctx context.Context) {
	backoff := firstBackoff
	for ctx.Err() == nil {
		err := s.connect(ctx, func() { backoff = firstBackoff })
		if ctx.Err() != nil {
			return
		}
		s.sink.Lost(s.now())
		if s.failed.IsZero() {
			s.failed = time.Now()
			if !s.known { // else the settings are right
				err = s.source.explain(err)
			}
			s.source.log.Warn("the stream cannot be read; trying again until it can", "address", s.source.opt.Addr,
				"stream", s.source.cfg.Channel, "error", err.Error())
		}
		sleep(ctx, backoff, s.now, s.sink)
		backoff = min(2*backoff, lastBackoff)
	}
}

// connect reads with a client of its own: go-redis's pool is slow to notice that a server is back.
func (s *stream) connect(ctx context.Context, heard func()) error {
	opt := *s.source.opt
	opt.ReadBufferSize = readBuffer
	opt.Protocol = 2 // its replies are plain arrays
	opt.ContextTimeoutEnabled = true
	opt.PoolSize, opt.PipelinePoolSize = 1, -1
	client := goredis.NewClient(&opt)
	defer client.Close()
	defer context.AfterFunc(ctx, func() { _ = client.Close() })() // wakes a blocked read
	return s.read(ctx, client, heard)
}

// read hands on what is added after its call, until something fails.
func (s *stream) read(ctx context.Context, client *goredis.Client, heard func()) error {
	last, err := s.begin(ctx, client)
	if err != nil {
		return err
	}
	heard()
	next := s.sink.Tick(s.at)
	for {
		// The time is asked first, in the same round trip: what is added after it has a later id.
		pipe := client.Pipeline()
		asked := pipe.Time(ctx)
		reply := pipe.Do(ctx, "xread", "count", readCount, "streams", s.source.cfg.Channel, last)
		if _, err := pipe.Exec(ctx); err != nil && !errors.Is(err, goredis.Nil) {
			return err
		}
		var n int
		if n, last, err = s.handOn(reply.Val(), last); err != nil {
			return err
		}
		if n < readCount { // all that was there
			s.reached(milliseconds(asked.Val().UnixMilli()))
		}
		if s.at >= next {
			next = s.sink.Tick(s.at)
		}
		if n == readCount {
			continue
		}
		// Not a blocking read: Redis may end one a tenth of a second late.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(next - s.at)):
		}
	}
}

// begin finds the stream's end.
func (s *stream) begin(ctx context.Context, client *goredis.Client) (last string, err error) {
	pipe := client.Pipeline()
	asked := pipe.Time(ctx)
	newest := pipe.XRevRangeN(ctx, s.source.cfg.Channel, "+", "-", 1)
	if _, err := pipe.Exec(ctx); err != nil {
		return "", err
	}
	last = "0-0"
	if entries := newest.Val(); len(entries) > 0 {
		last = entries[0].ID
	}
	s.reached(milliseconds(asked.Val().UnixMilli()))
	s.sink.Heard(s.at)
	if s.failed.IsZero() {
		s.source.log.Info("reading Redis's stream", "address", s.source.opt.Addr, "stream", s.source.cfg.Channel)
	} else {
		s.source.log.Info("the stream can be read again", "address", s.source.opt.Addr, "stream", s.source.cfg.Channel,
			"away", time.Since(s.failed).Round(time.Millisecond).String())
	}
	s.failed, s.known = time.Time{}, true
	return last, nil
}

// handOn hands on what a reply holds, [[key, [[id, [field, value, …]], …]]] or nil.
func (s *stream) handOn(reply any, last string) (n int, newest string, err error) {
	if reply == nil {
		return 0, last, nil
	}
	streams, _ := reply.([]any)
	if len(streams) != 1 {
		return 0, last, fmt.Errorf("the answer to XREAD has %d streams", len(streams))
	}
	pair, _ := streams[0].([]any)
	if len(pair) != 2 {
		return 0, last, errors.New("the answer to XREAD is not understood")
	}
	entries, _ := pair[1].([]any)
	for _, item := range entries {
		entry, _ := item.([]any)
		if len(entry) != 2 {
			return n, last, errors.New("an entry in the answer to XREAD is not understood")
		}
		id, _ := entry[0].(string)
		at, err := idTime(id)
		if err != nil {
			return n, last, err
		}
		fields, _ := entry[1].([]any)
		s.sink.Message(payload(fields), at)
		s.reached(at)
		n, last = n+1, id
	}
	return n, last, nil
}

// payload is the message in an entry, empty if there is none.
func payload(fields []any) string {
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == entryField {
			text, _ := fields[i+1].(string)
			return text
		}
	}
	return ""
}

func idTime(id string) (int64, error) {
	ms, _, _ := strings.Cut(id, "-")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || at < 0 || at > math.MaxInt64/int64(time.Millisecond) {
		return 0, fmt.Errorf("the entry id %q is not milliseconds-number", id)
	}
	return milliseconds(at), nil
}

func milliseconds(ms int64) int64 { return ms * int64(time.Millisecond) }
