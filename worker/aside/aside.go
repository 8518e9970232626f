// Package aside keeps messages that could not be counted in a Redis stream, where a person can look at them:
//
//	XRANGE colors:rejected - + COUNT 10
//
// An entry has the fields reason (a word, as in the metric), payload (the first 4 KiB of the message) and at (when it
// came, RFC 3339 in UTC). The stream is capped at about 10 000 entries. It is a help, not a ledger: what comes faster
// than Redis takes it, or while Redis is away for long, is only counted.
package aside

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	maxLen  = 10_000
	maxWait = 4096 // entries in memory
	batch   = 256
)

type entry struct {
	reason, payload string
	at              time.Time
}

// A Keeper writes entries in a goroutine of its own.
type Keeper struct {
	log    *slog.Logger
	client *redis.Client
	stream string
	in     chan entry
	missed atomic.Uint64
}

// New makes a Keeper for a stream.
func New(log *slog.Logger, client *redis.Client, stream string) *Keeper {
	return &Keeper{log: log, client: client, stream: stream, in: make(chan entry, maxWait)}
}

// Keep takes an entry and returns at once.
func (k *Keeper) Keep(reason, payload string, at time.Time) {
	select {
	case k.in <- entry{reason, payload, at}:
	default:
		k.missed.Add(1)
	}
}

// Missed is how many entries were not kept.
func (k *Keeper) Missed() uint64 { return k.missed.Load() }

// Run writes entries until ctx ends, and then for up to two seconds what is still waiting.
func (k *Keeper) Run(ctx context.Context) {
	for {
		select {
		case e := <-k.in:
			k.write(ctx, k.collect(e))
		case <-ctx.Done():
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			for len(k.in) > 0 && grace.Err() == nil {
				k.write(grace, k.collect(<-k.in))
			}
			return
		}
	}
}

func (k *Keeper) collect(first entry) []entry {
	entries := []entry{first}
	for len(entries) < batch {
		select {
		case e := <-k.in:
			entries = append(entries, e)
		default:
			return entries
		}
	}
	return entries
}

// write tries for as long as it takes Redis to come back, or ctx to end.
func (k *Keeper) write(ctx context.Context, entries []entry) {
	for attempt := 1; ; attempt++ {
		_, err := k.client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for _, e := range entries {
				p.XAdd(ctx, &redis.XAddArgs{
					Stream: k.stream, MaxLen: maxLen, Approx: true,
					Values: []any{"reason", e.reason, "payload", e.payload, "at", e.at.UTC().Format(time.RFC3339Nano)},
				})
			}
			return nil
		})
		if err == nil {
			return
		}
		if attempt == 1 {
			k.log.Warn("refused messages cannot be kept aside", "stream", k.stream, "error", err)
		}
		select {
		case <-ctx.Done():
			k.missed.Add(uint64(len(entries)))
			return
		case <-time.After(time.Second):
		}
	}
}
