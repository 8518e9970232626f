package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memoryQueue is a Queue of chunks.
type memoryQueue struct {
	mu     sync.Mutex
	chunks []string
	taken  int
	done   int
	added  chan struct{}
	err    error // once
}

func newMemoryQueue(chunks ...string) *memoryQueue {
	return &memoryQueue{chunks: chunks, added: make(chan struct{}, 1)}
}

func (q *memoryQueue) add(chunk string) {
	q.mu.Lock()
	q.chunks = append(q.chunks, chunk)
	q.mu.Unlock()
	select {
	case q.added <- struct{}{}:
	default:
	}
}

func (q *memoryQueue) TryNext() (Chunk, bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if err := q.err; err != nil {
		q.err = nil
		return Chunk{}, false, err
	}
	if q.taken == len(q.chunks) {
		return Chunk{}, false, nil
	}
	q.taken++
	n := q.taken
	return Chunk{Lines: []byte(q.chunks[n-1]), At: time.Unix(int64(n), 0), Done: func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.done = n
	}}, true, nil
}

func (q *memoryQueue) isDone() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.done
}

func (q *memoryQueue) isTaken() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken
}

func (q *memoryQueue) Next(ctx context.Context) (Chunk, error) {
	for {
		if chunk, ok, err := q.TryNext(); ok || err != nil {
			return chunk, err
		}
		select {
		case <-q.added:
		case <-ctx.Done():
			return Chunk{}, context.Cause(ctx)
		}
	}
}

// record is an Observer that keeps everything.
type record struct {
	sync.Locker
	written, quarantined int
	classes              map[Class]int
	sent                 time.Time
}

func (r *record) Written(n int) {
	r.Lock()
	defer r.Unlock()
	r.written += n
}

func (r *record) Quarantined(n int) {
	r.Lock()
	defer r.Unlock()
	r.quarantined += n
}

func (r *record) Sent(at time.Time) {
	r.Lock()
	defer r.Unlock()
	r.sent = at
}

func (r *record) Answered(_ time.Duration, class Class) {
	r.Lock()
	defer r.Unlock()
	r.classes[class]++
}

// bench is a Sender with all that is around it, in a bubble of its own time. Whoever looks at it or changes it holds
// mu; the test does, but for the time that passes.
type bench struct {
	*Sender
	mu       sync.Mutex
	queue    *memoryQueue
	seen     *record
	log      bytes.Buffer
	requests []string
	aside    []Quarantined
	answer   func(lines string) error // nil: success
	badDisk  error
}

func newBench(chunks ...string) *bench {
	b := &bench{queue: newMemoryQueue(chunks...), answer: func(string) error { return nil }}
	b.seen = &record{Locker: &b.mu, classes: map[Class]int{}}
	write := func(_ context.Context, lines []byte) error {
		b.mu.Lock()
		b.requests = append(b.requests, string(lines))
		answer := b.answer
		b.mu.Unlock()
		return answer(string(lines))
	}
	quarantine := func(list []Quarantined) error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.badDisk != nil {
			return b.badDisk
		}
		b.aside = append(b.aside, list...)
		return nil
	}
	b.mu.Lock()
	b.Sender = newSender(slog.New(slog.NewTextHandler(lockedWriter{&b.mu, &b.log}, nil)), b.queue, write, quarantine, b.seen)
	return b
}

type lockedWriter struct {
	sync.Locker
	io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.Lock()
	defer w.Unlock()
	return w.Writer.Write(p)
}

// run runs the Sender until stop is called, which returns how long it took to stop.
func (b *bench) run(t *testing.T) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	return func() time.Duration {
		b.mu.Unlock()
		defer b.mu.Lock()
		start := time.Now()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		return time.Since(start)
	}
}

func TestSenderSendsTheOldestFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a f=1\nb f=1\n", "c f=1", "d f=1\n")
		stop := b.run(t)
		b.pass(0)
		b.queue.add("e f=1\n")
		b.pass(0)
		if diff := cmp.Diff([]string{"a f=1\nb f=1\nc f=1\nd f=1", "e f=1"}, b.requests); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		if b.queue.isDone() != 4 || b.seen.written != 5 || !b.seen.sent.Equal(time.Unix(4, 0)) || b.seen.classes[""] != 2 {
			t.Errorf("%d done, %+v", b.queue.isDone(), b.seen)
		}
		if st := b.State(); !st.LastSuccess.Equal(time.Now()) || st.Trouble != nil {
			t.Errorf("state %+v", st)
		}
		if took := stop(); took != 0 {
			t.Errorf("stopping took %v", took)
		}
	})
}

// pass lets time pass, and everything happen that is to happen in it.
func (b *bench) pass(d time.Duration) {
	b.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
	b.mu.Lock()
}

func TestSenderKeepsWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, class := range []Class{Denied, Missing, Unexpected, Throttled, Server, Network} {
		t.Run(string(class), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench("a f=1\n")
				down := &WriteError{Class: class, Message: "no", Advice: "do something"}
				b.answer = func(string) error {
					if down != nil {
						return down
					}
					return nil
				}
				stop := b.run(t)
				b.pass(10 * time.Minute)
				b.queue.add("b f=1\n")
				b.pass(0)
				n := len(b.requests)
				if st := b.State(); !errors.Is(st.Trouble, down) || time.Since(st.Since) != 10*time.Minute || b.queue.isDone() != 0 {
					t.Errorf("state %+v, %d done", st, b.queue.isDone())
				}
				// At most 10 s between two tries, 5 s on average.
				if n < 70 || n > 300 || b.seen.classes[class] != n {
					t.Errorf("%d tries in ten minutes: %v", n, b.seen.classes)
				}
				if said := strings.Count(b.log.String(), "points are kept"); said < 9 || said > 11 {
					t.Errorf("complained %d times in ten minutes:\n%s", said, &b.log)
				}
				if !strings.Contains(b.log.String(), "do something") {
					t.Errorf("no advice:\n%s", &b.log)
				}
				down = nil
				b.pass(maxBackoff + minBackoff)
				if b.queue.isDone() != 2 || b.State().Trouble != nil || !strings.Contains(b.log.String(), "points are sent again") {
					t.Errorf("%d done, state %+v\n%s", b.queue.isDone(), b.State(), &b.log)
				}
				stop()
			})
		})
	}
}

func TestSenderHonoursRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a f=1\n")
		var times []time.Duration
		start := time.Now()
		b.answer = func(string) error {
			times = append(times, time.Since(start))
			if len(times) < 3 {
				return &WriteError{Class: Throttled, RetryAfter: 40 * time.Second}
			}
			return nil
		}
		stop := b.run(t)
		b.pass(2 * time.Minute)
		if len(times) != 3 || times[1] < 40*time.Second || times[2]-times[1] < 40*time.Second || b.queue.isDone() != 1 {
			t.Errorf("requests at %v, %d done", times, b.queue.isDone())
		}
		stop()
	})
}

func TestSenderQuarantines(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a f=1\nb f=x\nc f=1\n")
		b.answer = func(lines string) error {
			if strings.Contains(lines, "x") {
				return &WriteError{Class: Refused, Status: 400, Message: "it has an x"}
			}
			return nil
		}
		b.badDisk = errors.New("the disk is full")
		stop := b.run(t)
		b.pass(time.Minute)
		if b.queue.isDone() != 0 || !errors.Is(b.State().Trouble, b.badDisk) {
			t.Errorf("with a full disk: %d done, %+v", b.queue.isDone(), b.State())
		}
		b.badDisk = nil
		b.pass(time.Minute)
		want := []Quarantined{{Reason: "it has an x", Line: "b f=x"}}
		for i := range b.aside {
			b.aside[i].At = time.Time{}
		}
		if diff := cmp.Diff(want, b.aside); diff != "" || b.queue.isDone() != 1 || b.seen.quarantined != 1 || b.seen.written != 2 {
			t.Errorf("%d done, %+v (-want +got):\n%s", b.queue.isDone(), b.seen, diff)
		}
		stop()
	})
}

func TestSenderStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// What is there is sent, however it came.
		b := newBench()
		for i := range 3 {
			b.queue.add(fmt.Sprint("a f=", i))
		}
		b.answer = func(string) error { time.Sleep(time.Second); return nil }
		stop := b.run(t)
		b.pass(time.Second / 2)
		b.queue.add("b f=1")
		if took := stop(); b.queue.isDone() != 4 || took != 1500*time.Millisecond {
			t.Errorf("%d done of 4 after %v", b.queue.isDone(), took)
		}
		// A slow InfluxDB gets five seconds.
		b = newBench("a f=1")
		b.Sender.write = func(ctx context.Context, _ []byte) error { <-ctx.Done(); return context.Cause(ctx) }
		b.Sender.delivery.write = b.Sender.request
		stop = b.run(t)
		b.pass(time.Minute)
		if took := stop(); took != flushTimeout || b.queue.isDone() != 0 {
			t.Errorf("%d done after %v", b.queue.isDone(), took)
		}
		// One that does not answer gets a last try.
		b = newBench("a f=1", "b f=1")
		b.answer = func(string) error { return &WriteError{Class: Network} }
		stop = b.run(t)
		b.pass(time.Minute)
		n := len(b.requests)
		if took := stop(); took != 0 || len(b.requests) != n+1 || b.queue.isDone() != 0 {
			t.Errorf("%d tries, %d done after %v", len(b.requests)-n, b.queue.isDone(), took)
		}
		if !strings.Contains(b.log.String(), "stays in the spool") {
			t.Errorf("log:\n%s", &b.log)
		}
	})
}

func TestSenderSurvivesTheQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench("a f=1")
		b.queue.err = errors.New("input/output error")
		stop := b.run(t)
		b.pass(time.Minute)
		if b.queue.isDone() != 1 || !strings.Contains(b.log.String(), "the spool cannot be read") {
			t.Errorf("%d done\n%s", b.queue.isDone(), &b.log)
		}
		stop()
	})
}

// A backlog of any size is held in memory only a batch at a time.
func TestSenderTakesNoMoreThanABatch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		for range 100 {
			b.queue.add(strings.Repeat("color_metrics,color=red f=1 1\n", 10_000)) // 300 kB
		}
		b.answer = func(string) error { return &WriteError{Class: Network} }
		stop := b.run(t)
		b.pass(time.Hour)
		if b.queue.isTaken() > 10 {
			t.Errorf("%d chunks were taken", b.queue.isTaken())
		}
		for _, r := range b.requests {
			if n := strings.Count(r, "\n") + 1; n > MaxLines {
				t.Errorf("a request of %d lines", n)
			}
		}
		b.requests = nil
		b.answer = func(string) error { return nil }
		b.pass(time.Minute)
		if b.queue.isDone() != 100 || b.seen.written != 1_000_000 {
			t.Errorf("%d done, %d lines written", b.queue.isDone(), b.seen.written)
		}
		stop()
	})
}
