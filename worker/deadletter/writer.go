package deadletter

import (
	"bytes"
	"context"
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
	client   redis.UniversalClient
	stream   string
	observer Observer
}

// NewWriter returns a Writer to the stream. The client should obey a context's deadline
// (ContextTimeoutEnabled) and not retry by itself (MaxRetries of -1).
func NewWriter(
	log *slog.Logger, client redis.UniversalClient, stream string, observer Observer,
) *Writer {
	return &Writer{log: log, client: client, stream: stream, observer: observer}
}

// Write adds encoded letters to the stream. Each round trip goes through try, which repeats it with
// those that Redis did not take.
func (w *Writer) Write(ctx context.Context, try func(func() error) error, data []byte) error {
	letters, err := Decode(data)
	if err != nil {
		w.log.Error("dead letters are lost", "error", err)
		w.observer.LettersDropped(bytes.Count(data, []byte("\n")) - len(letters))
	}
	for rest := range slices.Chunk(letters, pipeline) {
		err := try(func() (err error) {
			before := len(rest)
			rest, err = w.add(ctx, rest)
			w.observer.LettersWritten(before - len(rest))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// add adds letters to the stream and returns those that Redis did not take, with its first error.
func (w *Writer) add(ctx context.Context, letters []Letter) (rest []Letter, err error) {
	cmds, err := w.client.Pipelined(ctx, func(p redis.Pipeliner) error {
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
