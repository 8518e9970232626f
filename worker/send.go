package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"colorstream/worker/influx"
	"colorstream/worker/spool"
)

// quarantineDir is the folder, in the spool's, of what InfluxDB refuses.
const quarantineDir = "quarantine"

func newClient(cfg config) (*influx.Client, error) {
	return influx.New(influx.Config{URL: cfg.InfluxURL, Org: cfg.InfluxOrg, Bucket: cfg.InfluxBucket, Token: cfg.InfluxToken})
}

func newQuarantine(log *slog.Logger, cfg config) *influx.Quarantine {
	return influx.NewQuarantine(log, influx.QuarantineConfig{Dir: filepath.Join(cfg.SpoolDir, quarantineDir)})
}

// spoolQueue lets the sender take from the spool.
type spoolQueue struct{ spool *spool.Spool }

func (q spoolQueue) Next(ctx context.Context) (influx.Chunk, error) {
	record, err := q.spool.Next(ctx)
	return q.chunk(record), err
}

func (q spoolQueue) TryNext() (influx.Chunk, bool, error) {
	record, ok, err := q.spool.TryNext()
	return q.chunk(record), ok, err
}

func (q spoolQueue) chunk(r spool.Record) influx.Chunk {
	return influx.Chunk{Lines: r.Data, At: r.AppendedAt, Done: func() { q.spool.Done(r.ID) }}
}

// delivered tells whether InfluxDB keeps up: no closed window waits for longer than three windows' time.
func delivered(cfg config, queue *spool.Spool, sender *influx.Sender, now time.Time) error {
	oldest := queue.Stats().Oldest
	if oldest.IsZero() || now.Sub(oldest) < 3*cfg.Window {
		return nil
	}
	trouble := sender.State().Trouble
	if trouble == nil {
		trouble = errors.New("it is slow, or there is much to send")
	}
	return fmt.Errorf("the oldest window has waited for InfluxDB for %v: %w", now.Sub(oldest).Round(time.Second), trouble)
}
