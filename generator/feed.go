package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/source"
	"colorstream/generator/tally"
)

// catchUp is how late the schedule may be without being put off: so much is made up for by a burst.
const catchUp = 250 * time.Millisecond

// sink takes messages and publishes those that wait, in order, when told to. It holds
// publish.BatchSize at most.
type sink interface {
	Add(message.Message)
	Waiting() int
	// Flush tells whether it had to wait for Redis.
	Flush(ctx context.Context) (waited bool, err error)
}

// A feed moves messages from the records to the sink, each when it is due. It is one goroutine.
type feed struct {
	log     *slog.Logger
	made    func() source.Record // makes random messages, more than a channel lets through
	records <-chan source.Item   // of an input
	pace    pace                 // nil: as fast as the sink takes them
	sink    sink
	tally   *tally.Tally
	count   int64 // 0 means without end

	start  time.Time // of the pace
	now    time.Time // a look at the clock that is at most one batch old
	waited bool      // since the last message for something else than the pace

	behind   time.Duration // in all: the pace is too fast for Redis or for this machine
	reported time.Time     // when that was said
}

// run ends at the input's end, after count messages, with an error, or with nil when ctx ends. What
// it took from the records has then been counted by the sink.
func (f *feed) run(ctx context.Context) error {
	f.now = time.Now()
	f.start = f.now
	err := f.move(ctx)
	if flushErr := f.flush(ctx); flushErr != nil {
		err = flushErr
	}
	if errors.Is(err, io.EOF) || ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return nil
	}
	return err
}

func (f *feed) move(ctx context.Context) error {
	for n := int64(0); f.count == 0 || n < f.count; {
		record, err := f.next(ctx)
		switch {
		case err == nil && record.Rejected != nil:
			f.tally.Read(record)
			f.log.Debug("rejected", "line", record.Line,
				"reason", record.Rejected.Reason, "error", record.Rejected.Detail)
			err = context.Cause(ctx)
		case err == nil:
			if err = f.await(ctx, record); err != nil {
				break
			}
			f.tally.Read(record)
			f.sink.Add(record.Message)
			n++
			if f.sink.Waiting() == publish.BatchSize {
				err = f.flush(ctx)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// next returns the next record, io.EOF after the last, or the input's failure. While no record is
// at hand, what waits is published.
func (f *feed) next(ctx context.Context) (source.Record, error) {
	if f.made != nil {
		return f.made(), nil
	}
	item, ok := source.Item{}, false
	select {
	case item, ok = <-f.records:
	default:
		f.waited = true
		if err := f.flush(ctx); err != nil {
			return source.Record{}, err
		}
		select {
		case item, ok = <-f.records:
			f.now = time.Now()
		case <-ctx.Done():
			return source.Record{}, context.Cause(ctx)
		}
	}
	if !ok {
		return source.Record{}, io.EOF
	}
	return item.Record, item.Err
}

// await returns when the record is due. What is due before it is published meanwhile.
func (f *feed) await(ctx context.Context, record source.Record) error {
	if f.pace == nil {
		return nil
	}
	due := f.start.Add(f.pace(record.Time))
	if due.After(f.now) {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	if pause := due.Sub(f.now); pause > 0 {
		if err := f.pause(ctx, pause, record); err != nil {
			return err
		}
	} else if late := -pause; late > catchUp {
		f.start = f.start.Add(late - catchUp)
		if f.waited {
			f.waited = false
			return nil
		}
		f.behind += late - catchUp
		if f.now.Sub(f.reported) > 10*time.Second {
			f.reported = f.now
			f.log.Warn("cannot keep the pace, so it is slower than asked for",
				"behind_in_all", f.behind.Round(time.Millisecond))
		}
	}
	f.waited = false
	return nil
}

func (f *feed) pause(ctx context.Context, pause time.Duration, record source.Record) error {
	if pause > time.Minute && record.Line > 0 {
		f.log.Info("the next message is due later",
			"line", record.Line, "ts", record.Time, "in", pause.Round(time.Second))
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		f.now = time.Now()
		return nil
	}
}

// flush publishes what waits and looks at the clock. It ends with an error too if ctx has ended.
func (f *feed) flush(ctx context.Context) error {
	waited, err := f.sink.Flush(ctx)
	f.waited = f.waited || waited
	f.now = time.Now()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return err
}
