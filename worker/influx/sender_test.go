package influx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is an Outbox. Oldest returns at most two batches.
type memory struct {
	mu      sync.Mutex
	batches []Batch
	added   int
	letters []string
	most    int     // bytes that were returned together
	errors  []error // what the next calls return
	more    chan struct{}
}

func newMemory(texts ...string) *memory {
	m := &memory{more: make(chan struct{}, 1)}
	for _, text := range texts {
		m.add(text)
	}
	return m
}

func (m *memory) add(text string) {
	m.mu.Lock()
	m.added++
	m.batches = append(m.batches, Batch{fmt.Sprint(m.added), []byte(text), time.Now()})
	m.mu.Unlock()
	select {
	case m.more <- struct{}{}:
	default:
	}
}

func (m *memory) fail() (err error) {
	if len(m.errors) > 0 {
		err, m.errors = m.errors[0], m.errors[1:]
	}
	return err
}

func (m *memory) Oldest(context.Context) ([]Batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	oldest := slices.Clone(m.batches[:min(2, len(m.batches))])
	size := 0
	for _, b := range oldest {
		size += len(b.Data)
	}
	m.most = max(m.most, size)
	return oldest, m.fail()
}

func (m *memory) Remove(_ context.Context, ids []string, letters []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(); err != nil {
		return err
	}
	for _, id := range ids {
		if id != m.batches[0].ID {
			return errors.New("removed in another order")
		}
		m.batches = m.batches[1:]
	}
	if letters != nil {
		m.letters = append(m.letters, string(letters))
	}
	return nil
}

func (m *memory) More() <-chan struct{} { return m.more }

func (m *memory) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.batches)
}

// tally is an Observer.
type tally struct {
	sync.Mutex
	written   int
	rejected  map[Class]int
	answered  map[Class]int
	delivered []time.Duration
}

func (o *tally) Written(n int) {
	o.Lock()
	defer o.Unlock()
	o.written += n
}

func (o *tally) Rejected(n int, class Class) {
	o.Lock()
	defer o.Unlock()
	o.rejected[class] += n
}

func (o *tally) Answered(_ time.Duration, class Class) {
	o.Lock()
	defer o.Unlock()
	o.answered[class]++
}

func (o *tally) Delivered(waited time.Duration) {
	o.Lock()
	defer o.Unlock()
	o.delivered = append(o.delivered, waited)
}

type lockedWriter struct {
	*sync.Mutex
	io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.Lock()
	defer w.Unlock()
	return w.Writer.Write(p)
}

// A rig is a Sender, a fake InfluxDB and an outbox. In a bubble the test may look at it whenever
// the Sender sleeps.
const stopTimeout = 5 * time.Second

type rig struct {
	*Sender
	outbox   *memory
	tally    tally
	log      bytes.Buffer
	requests []string
	answer   func(lines string) error // nil: success
	turn     sync.Mutex               // between the test and the Sender
}

// encode writes letters as lines.
func encode(lines []RejectedLine) []byte {
	var b []byte
	for _, l := range lines {
		b = fmt.Appendf(b, "%s: %s\n", l.Reason, l.Line)
	}
	return b
}

func newRig(texts ...string) *rig {
	r := &rig{outbox: newMemory(texts...), answer: func(string) error { return nil }}
	r.tally = tally{rejected: map[Class]int{}, answered: map[Class]int{}}
	log := slog.New(slog.NewTextHandler(lockedWriter{&r.turn, &r.log}, nil))
	r.Sender = newSender(log, func(ctx context.Context, lines []byte) error {
		r.turn.Lock()
		r.requests = append(r.requests, string(lines))
		answer := r.answer
		r.turn.Unlock()
		return answer(string(lines))
	}, encode, &r.tally)
	return r
}

// start runs the Sender until stop is called, which returns how long it took to stop.
func (r *rig) start(t *testing.T) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx, r.outbox, stopTimeout) })
	return func() time.Duration {
		start := time.Now()
		cancel()
		running.Wait()
		return time.Since(start)
	}
}

// pass lets time pass, and everything happen that is to happen in it. What the test changed before,
// the Sender sees then: for the race detector the end of a Sleep alone is no order.
func (r *rig) pass(d time.Duration) {
	r.turn.Lock()
	//lint:ignore SA2001 it is for the order
	r.turn.Unlock()
	time.Sleep(d)
	synctest.Wait()
}

// bubble runs a test in time of its own.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

func TestOldestFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig("a f=1\nb f=1\n", "c f=1", "d f=1\n")
		time.Sleep(3 * time.Second)
		stop := r.start(t)
		r.pass(0)
		r.outbox.add("e f=1\n")
		r.pass(0)
		want := []string{"a f=1\nb f=1\nc f=1", "d f=1", "e f=1"}
		if diff := cmp.Diff(want, r.requests); diff != "" {
			t.Errorf("requests (-want +got):\n%s", diff)
		}
		waited := []time.Duration{3 * time.Second, 3 * time.Second, 3 * time.Second, 0}
		if diff := cmp.Diff(waited, r.tally.delivered); diff != "" {
			t.Errorf("delivered after (-want +got):\n%s", diff)
		}
		if r.outbox.waiting() != 0 || r.tally.written != 5 || r.tally.answered[""] != 3 {
			t.Errorf("%d wait, %+v", r.outbox.waiting(), r.tally.written)
		}
		if took := stop(); took != 0 || r.LastError() != nil || r.log.Len() > 0 {
			t.Errorf("stopping took %v, %v\n%s", took, r.LastError(), &r.log)
		}
	})
}

func TestKeepsWhatIsNotTaken(t *testing.T) {
	t.Parallel()
	for _, class := range []Class{Denied, Missing, Unexpected, Throttled, Server, Network} {
		t.Run(string(class), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig("a f=1\n")
				down := &WriteError{Class: class, Message: "no", Advice: "do something"}
				r.answer = func(string) error { return down }
				stop := r.start(t)
				r.pass(10 * time.Minute)
				r.outbox.add("b f=1\n")
				r.pass(0)
				n := len(r.requests)
				if !errors.Is(r.LastError(), down) || r.outbox.waiting() != 2 {
					t.Errorf("last error %v, %d wait", r.LastError(), r.outbox.waiting())
				}
				// At most 10 s between two tries, 5 s on average.
				if n < 70 || n > 300 || r.tally.answered[class] != n {
					t.Errorf("%d tries in ten minutes: %v", n, r.tally.answered)
				}
				if said := strings.Count(r.log.String(), "points are kept"); said < 9 || said > 11 {
					t.Errorf("said %d times in ten minutes:\n%s", said, &r.log)
				}
				if !strings.Contains(r.log.String(), "do something") {
					t.Errorf("no advice:\n%s", &r.log)
				}
				r.answer = func(string) error { return nil }
				r.pass(maxBackoff + minBackoff)
				if r.outbox.waiting() != 0 || r.LastError() != nil ||
					!strings.Contains(r.log.String(), "points are sent again") {
					t.Errorf("%d wait, last error %v\n%s", r.outbox.waiting(), r.LastError(), &r.log)
				}
				stop()
			})
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig("a f=1\n")
		var times []time.Duration
		start := time.Now()
		r.answer = func(string) error {
			times = append(times, time.Since(start))
			if len(times) < 3 {
				return &WriteError{Class: Throttled, RetryAfter: 40 * time.Second}
			}
			return nil
		}
		stop := r.start(t)
		r.pass(2 * time.Minute)
		if len(times) != 3 || times[1] < 40*time.Second || times[2]-times[1] < 40*time.Second ||
			r.outbox.waiting() != 0 {
			t.Errorf("requests at %v, %d wait", times, r.outbox.waiting())
		}
		stop()
	})
}

// A request that fails half-way through a batch is repeated by itself.
func TestOnlyTheFailedRequestIsRepeated(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(strings.Repeat("a f=1\n", 3*MaxLines))
		r.answer = func(string) error {
			if len(r.requests) == 2 {
				return &WriteError{Class: Throttled}
			}
			return nil
		}
		stop := r.start(t)
		r.pass(time.Minute)
		if len(r.requests) != 4 || r.tally.written != 3*MaxLines {
			t.Errorf("%d requests, %d written", len(r.requests), r.tally.written)
		}
		stop()
	})
}

func TestRejectedLinesBecomeLetters(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig("a f=1\nb f=x\nc f=1\n", "d f=1 5\ne f=1\n")
		r.answer = func(lines string) error {
			switch {
			case strings.Contains(lines, "x"):
				return &WriteError{Class: Rejected, Status: 400, Message: "it has an x"}
			case strings.Contains(lines, "d"):
				return &WriteError{Class: TooOld, Status: 422, Message: tooOld20, Dropped: 1}
			}
			return nil
		}
		// The store fails: what InfluxDB said is not asked again.
		r.outbox.errors = []error{nil, errors.New("disk full"), errors.New("disk full")}
		stop := r.start(t)
		r.pass(100 * time.Millisecond)
		before := len(r.requests)
		if r.LastError() == nil || r.outbox.letters != nil || r.outbox.waiting() != 2 {
			t.Errorf("with a full disk: %v, %d wait", r.LastError(), r.outbox.waiting())
		}
		r.pass(time.Minute)
		if len(r.requests) != before {
			t.Errorf("%d requests became %d", before, len(r.requests))
		}
		if diff := cmp.Diff([]string{"it has an x: b f=x\n"}, r.outbox.letters); diff != "" {
			t.Errorf("letters (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(map[Class]int{Rejected: 1, TooOld: 1}, r.tally.rejected); diff != "" {
			t.Errorf("counted (-want +got):\n%s", diff)
		}
		for range 10 {
			r.outbox.add("d f=1 6\nx\n")
			r.pass(time.Hour)
		}
		if r.outbox.waiting() != 0 || r.tally.written != 3 || r.LastError() != nil {
			t.Errorf("%d wait, %d written, %v", r.outbox.waiting(), r.tally.written, r.LastError())
		}
		for text, want := range map[string]int{"points are older": 1, "InfluxDB rejects points": 11} {
			if n := strings.Count(r.log.String(), text); n != want {
				t.Errorf("%q is said %d times, want %d\n%s", text, n, want, &r.log)
			}
		}
		stop()
	})
}

func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// What is there is sent, however it came.
		r := newRig("a f=0", "a f=1", "a f=2", "a f=3")
		r.answer = func(string) error { time.Sleep(time.Second); return nil }
		stop := r.start(t)
		r.pass(time.Second / 2)
		r.outbox.add("b f=1")
		if took := stop(); r.outbox.waiting() != 0 || took != 2500*time.Millisecond {
			t.Errorf("%d of 5 wait after %v", r.outbox.waiting(), took)
		}
		// A slow InfluxDB gets five seconds.
		r = newRig("a f=1")
		r.write = func(ctx context.Context, _ []byte) error { <-ctx.Done(); return context.Cause(ctx) }
		stop = r.start(t)
		r.pass(time.Minute)
		if took := stop(); took != stopTimeout || r.outbox.waiting() != 1 {
			t.Errorf("%d wait after %v", r.outbox.waiting(), took)
		}
		// One that does not answer gets a last try.
		r = newRig("a f=1", "b f=1")
		r.answer = func(string) error { return &WriteError{Class: Network} }
		stop = r.start(t)
		r.pass(time.Minute)
		n := len(r.requests)
		if took := stop(); took != 0 || len(r.requests) != n+1 || r.outbox.waiting() != 2 {
			t.Errorf("%d tries, %d wait after %v", len(r.requests)-n, r.outbox.waiting(), took)
		}
		if !strings.Contains(r.log.String(), "stays in the store") {
			t.Errorf("log:\n%s", &r.log)
		}
	})
}

func TestStoreFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig("a f=1")
		r.outbox.errors = slices.Repeat([]error{errors.New("input/output error")}, 5)
		stop := r.start(t)
		r.pass(time.Minute)
		if r.outbox.waiting() != 0 || r.LastError() != nil ||
			strings.Count(r.log.String(), "read the outbox: input/output error") != 1 {
			t.Errorf("%d wait, %v\n%s", r.outbox.waiting(), r.LastError(), &r.log)
		}
		stop()
	})
}

// Two outboxes share one Sender, its log and its last error.
func TestTwoOutboxes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig("a f=1")
		var mu sync.Mutex
		down := true
		r.write = func(context.Context, []byte) error {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return &WriteError{Class: Denied}
			}
			return nil
		}
		second := newMemory("b f=1")
		stop := r.start(t)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { r.Run(ctx, second, stopTimeout) })
		r.pass(5*time.Minute + sayEvery/2)
		if n := strings.Count(r.log.String(), "points are kept"); n < 5 || n > 6 {
			t.Errorf("said %d times in five minutes\n%s", n, &r.log)
		}
		mu.Lock()
		down = false
		mu.Unlock()
		r.pass(time.Minute)
		n := strings.Count(r.log.String(), "sent again")
		if r.outbox.waiting()+second.waiting() != 0 || n != 1 {
			t.Errorf("%d wait, \"sent again\" is said %d times", r.outbox.waiting()+second.waiting(), n)
		}
		cancel()
		running.Wait()
		stop()
	})
}

// A backlog of any size is held in memory only a part at a time.
func TestBacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig()
		for range 100 {
			r.outbox.add(strings.Repeat("color_metrics,color=red f=1 1\n", 10_000)) // 300 kB
		}
		r.answer = func(string) error { return &WriteError{Class: Network} }
		stop := r.start(t)
		r.pass(time.Hour)
		if r.outbox.waiting() != 100 {
			t.Errorf("%d wait", r.outbox.waiting())
		}
		for _, request := range r.requests {
			if n := strings.Count(request, "\n") + 1; n > MaxLines {
				t.Errorf("a request of %d lines", n)
			}
		}
		r.requests = nil
		r.answer = func(string) error { return nil }
		r.pass(time.Minute)
		if r.outbox.waiting() != 0 || r.tally.written != 1_000_000 || r.outbox.most > 700_000 {
			t.Errorf("%d wait, %d written, %d bytes together",
				r.outbox.waiting(), r.tally.written, r.outbox.most)
		}
		stop()
	})
}
