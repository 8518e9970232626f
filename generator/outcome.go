package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/service"
	"colorstream/generator/tally"
)

const (
	// askEvery is how often the worker is asked after the last message.
	askEvery = 250 * time.Millisecond
	// settleTime is after how long the worker's counters hold all that it has received.
	settleTime = 2500 * time.Millisecond
	// timeout is how long what the worker does not have yet is waited for, without any progress.
	timeout = 5 * time.Second
)

// A workerSample is what the worker's metrics say.
type workerSample struct {
	received int64
	rejected map[message.Reason]int64
}

var counterLine = regexp.MustCompile(
	`(?m)^colorstream_worker_(received|rejected)_total(?:\{(?:.*,)?reason="([^"]*)".*\}|\{.*\})? (\S+)`)

// askWorkers adds up what the workers say that share a stream.
func askWorkers(ctx context.Context, addresses string) (s workerSample, err error) {
	s.rejected = make(map[message.Reason]int64)
	for address := range strings.SplitSeq(addresses, ",") {
		if err := s.ask(ctx, strings.TrimSpace(address)); err != nil {
			return s, err
		}
	}
	return s, nil
}

// ask adds /metrics of the worker at the address.
func (s *workerSample) ask(ctx context.Context, address string) error {
	metrics, err := service.Get(ctx, address, "/metrics")
	if err != nil {
		return err
	}
	counters := counterLine.FindAllStringSubmatch(string(metrics), -1)
	for _, m := range counters {
		n, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			return err
		}
		if m[1] == "received" {
			s.received += int64(n)
		} else {
			s.rejected[message.Reason(m[2])] += int64(n)
		}
	}
	if len(counters) == 0 {
		return fmt.Errorf("what answers at %s is no worker", address)
	}
	return nil
}

// since is what was counted after an earlier sample. It is an error if the worker was restarted.
func (s workerSample) since(before workerSample) (workerSample, error) {
	d := workerSample{received: s.received - before.received, rejected: make(map[message.Reason]int64)}
	if d.received < 0 {
		return d, fmt.Errorf("it was restarted meanwhile")
	}
	for reason, n := range s.rejected {
		if n -= before.rejected[reason]; n > 0 {
			d.rejected[reason] = n
		}
	}
	return d, nil
}

// An outcome is what became of a replay's messages.
type outcome struct {
	unknown              error // why the worker could not be asked
	accepted, unreceived int64
	rejected             map[message.Reason]int64
}

// outcome asks the worker what became of the messages, before being its counters at the start. It
// waits until the worker has received them all. Messages that others have published meanwhile are
// told apart by their number only.
func (g *generator) outcome(ctx context.Context, before workerSample, unknown error) (o outcome) {
	counts := g.publisher.Counts()
	sent := int64(counts.Published - counts.NoSubscribers)
	o.unreceived = int64(counts.NoSubscribers + counts.Unacknowledged)
	if g.config.Transport == publish.Stream {
		o.unreceived += g.uncommitted(ctx)
		sent -= o.unreceived
	}
	var seen workerSample
	for begun := time.Now(); unknown == nil && sent > 0; time.Sleep(askEvery) {
		now, err := askWorkers(ctx, g.config.WorkerAddr)
		if err == nil {
			seen, err = now.since(before)
		}
		waited := time.Since(begun)
		if unknown = err; err != nil || seen.received == sent || waited > timeout ||
			seen.received > sent && waited > settleTime {
			break
		}
	}
	if unknown != nil {
		o.unknown = fmt.Errorf("the worker cannot be asked what became of the messages: %w (WORKER_ADDR)",
			unknown)
		return o
	}
	if g.config.Transport == publish.PubSub && seen.received < sent {
		o.unreceived += sent - seen.received
		sent = seen.received
	}
	o.rejected = seen.rejected
	o.accepted = max(0, sent-o.rejectedTotal())
	return o
}

func (o outcome) rejectedTotal() (n int64) {
	for _, k := range o.rejected {
		n += k
	}
	return n
}

// uncommitted waits for as long as the stream's worker goes on, and tells what it has left.
func (g *generator) uncommitted(ctx context.Context) (left int64) {
	for progress := time.Now(); ctx.Err() == nil &&
		time.Since(progress) < timeout; time.Sleep(askEvery) {
		n, err := g.publisher.Uncommitted(ctx)
		switch {
		case err != nil:
			g.log.Warn("cannot see what the worker has read of the stream", "error", err)
		case n == 0:
			return 0
		case n != left:
			left, progress = n, time.Now()
		}
	}
	return left
}

// problems says what was not accepted, and what to do. So many rows made no message.
func (o outcome) problems(rows int64) (list []string) {
	say := func(n int64, format string, args ...any) {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d "+format, append([]any{n}, args...)...))
		}
	}
	say(rows, "made no message: the first are listed above")
	const history = "`worker import` (make import FILE=…) takes rows of any time, in any order"
	late, wrong := o.rejected["late"], o.rejected["future"]+o.rejected["past"]
	say(late, "were late: their windows were final. "+
		"WORKER_LATENESS keeps windows open for longer; %s", history)
	say(wrong, "had a time in the future or before 2000: %s", history)
	say(o.rejectedTotal()-late-wrong, "were otherwise rejected: the worker's dead letters say why, "+
		"in the Redis stream REDIS_CHANNEL with :rejected behind it")
	say(o.unreceived, "were received by no worker: does it run, "+
		"with the same Redis, channel and transport?")
	return list
}

// sums are the outcome for the tally.
func (o outcome) sums() []tally.Sum {
	list := []tally.Sum{{Name: "  not received", Count: o.unreceived, Note: "by any worker"}}
	if o.unknown == nil {
		list = append(list,
			tally.Sum{Name: "  accepted", Count: o.accepted, Note: "by the worker"},
			tally.Sum{
				Name: "  not accepted", Count: o.rejectedTotal(), Note: tally.Reasons(o.rejected),
			})
	}
	return list
}
