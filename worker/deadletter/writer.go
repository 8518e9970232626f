package deadletter

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	streamLength = 10_000 // entries that the stream keeps, about
	pipeline     = 256    // letters in one round trip
)

// A Writer adds letters to a Redis stream.
type Writer struct {
	log      *slog.Logger
	node     func(ctx context.Context, key string) (*redis.Client, error)
	stream   string
	replicas int
	// written counts letters that are in Redis, dropped those that never will be.
	written, dropped func(letters int)
}

// NewWriter returns a Writer to the stream, which has a letter when so many replicas have it. Node
// returns a client of the server that holds a key; it should obey a context's deadline
// (ContextTimeoutEnabled) and not retry by itself (MaxRetries of -1). Several goroutines may call
// written and dropped.
func NewWriter(
	log *slog.Logger, node func(ctx context.Context, key string) (*redis.Client, error),
	stream string, replicas int, written, dropped func(letters int),
) *Writer {
	return &Writer{log, node, stream, replicas, written, dropped}
}

// Write adds encoded letters to the stream. Each round trip goes through try, which repeats it with
// those that Redis did not take.
func (w *Writer) Write(ctx context.Context, try func(func() error) error, data []byte) error {
	letters, err := Decode(data)
	if err != nil {
		w.log.Error("dead letters are lost", "error", err)
		w.dropped(bytes.Count(data, []byte("\n")) - len(letters))
	}
	for chunk := range slices.Chunk(letters, pipeline) {
		b := batch{w: w, letters: chunk, rest: chunk}
		err := try(func() error { return b.try(ctx) })
		b.close()
		if err != nil {
			return err
		}
	}
	return nil
}

// A batch is letters that go together. WAIT counts the replicas that have what its own connection
// has written: letters whose replicas are away are not added once more as long as that lasts. After
// it, nobody knows what a server that took over has of them.
type batch struct {
	w             *Writer
	letters, rest []Letter // rest is not added yet
	conn          *redis.Conn
}

func (b *batch) try(ctx context.Context) error {
	if b.conn == nil {
		node, err := b.w.node(ctx, b.w.stream)
		if err != nil {
			return err
		}
		b.conn = node.Conn()
	}
	before := len(b.rest)
	var err error
	if before > 0 {
		b.rest, err = b.w.add(ctx, b.conn, b.rest)
		b.w.written(before - len(b.rest))
	}
	n := int64(b.w.replicas)
	if err == nil && n > 0 {
		n, err = b.conn.Wait(ctx, b.w.replicas, time.Second).Result()
	}
	switch {
	case err == nil && n < int64(b.w.replicas):
		return fmt.Errorf("%d replicas of %s have the newest, and REDIS_REPLICAS is %d",
			n, b.w.stream, b.w.replicas)
	case err != nil:
		if b.w.replicas > 0 {
			b.rest = b.letters
		}
		b.close()
	}
	return err
}

func (b *batch) close() {
	if b.conn != nil {
		_ = b.conn.Close()
		b.conn = nil
	}
}

// add adds letters to the stream and returns those that Redis did not take, with its first error.
func (w *Writer) add(
	ctx context.Context, conn *redis.Conn, letters []Letter,
) (rest []Letter, err error) {
	cmds, err := conn.Pipelined(ctx, func(p redis.Pipeliner) error {
		for _, l := range letters {
			p.XAdd(ctx, &redis.XAddArgs{
				Stream: w.stream, MaxLen: streamLength, Approx: true,
				Values: []any{
					"reason", l.Reason, "payload", l.Payload, "at", l.At.Format(time.RFC3339Nano),
				},
			})
		}
		return nil
	})
	if err == nil {
		return nil, nil
	}
	for i, cmd := range cmds {
		if cmd.Err() != nil {
			rest = append(rest, letters[i])
		}
	}
	return rest, err
}
