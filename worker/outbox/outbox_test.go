package outbox

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

	"colorstream/worker/store"
)

// A queue is a real store, whose next calls may fail.
type queue struct {
	*store.Bolt
	t      *testing.T
	errors []error // what the next calls return
}

func newQueue(t *testing.T, texts ...string) *queue {
	bolt, err := store.NewBolt(slog.New(slog.DiscardHandler), t.TempDir(), 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bolt.Close() })
	q := &queue{Bolt: bolt, t: t}
	for _, text := range texts {
		q.add(text)
	}
	return q
}

func (q *queue) add(text string) {
	if err := q.Commit(q.t.Context(), store.Commit{Lines: []byte(text)}); err != nil {
		q.t.Fatal(err)
	}
}

func (q *queue) fail() (err error) {
	if len(q.errors) > 0 {
		err, q.errors = q.errors[0], q.errors[1:]
	}
	return err
}

func (q *queue) Oldest(ctx context.Context, name store.Queue) ([]store.Batch, error) {
	if err := q.fail(); err != nil {
		return nil, err
	}
	return q.Bolt.Oldest(ctx, name)
}

func (q *queue) Remove(
	ctx context.Context, name store.Queue, ids []string, letters []byte,
) error {
	if err := q.fail(); err != nil {
		return err
	}
	return q.Bolt.Remove(ctx, name, ids, letters)
}

func (q *queue) waiting() int { return q.Stats().Batches }

type lockedWriter struct {
	*sync.Mutex
	io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.Lock()
	defer w.Unlock()
	return w.Writer.Write(p)
}

const stopTimeout = 5 * time.Second

// A rig is a Sender, its destination and a store. In a bubble the test may look at it whenever the
// Sender sleeps.
type rig struct {
	*Sender
	store     *queue
	log       bytes.Buffer
	tries     []string // what came to the destination
	delivered []string
	answer    func(ctx context.Context, text string) error // nil: success
	letters   func(text string) []byte
	turn      sync.Mutex // between the test and the Sender
}

func newRig(t *testing.T, texts ...string) *rig {
	r := &rig{
		store: newQueue(t, texts...), answer: func(context.Context, string) error { return nil },
		letters: func(string) []byte { return nil },
	}
	log := slog.New(slog.NewTextHandler(lockedWriter{&r.turn, &r.log}, nil))
	r.Sender = NewSender(log, "points", func(
		ctx context.Context, batches []store.Batch, try Try,
	) (letters []byte, err error) {
		for _, b := range batches {
			err = try(func() error {
				r.turn.Lock()
				r.tries = append(r.tries, string(b.Data))
				answer := r.answer
				r.turn.Unlock()
				return answer(ctx, string(b.Data))
			})
			if err != nil {
				return nil, err
			}
			r.turn.Lock()
			r.delivered = append(r.delivered, string(b.Data))
			r.turn.Unlock()
			letters = append(letters, r.letters(string(b.Data))...)
		}
		return letters, nil
	})
	return r
}

func (r *rig) start(t *testing.T, from *queue) (stop func() time.Duration) {
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx, from, store.Lines, stopTimeout) })
	return func() time.Duration {
		start := time.Now()
		cancel()
		running.Wait()
		return time.Since(start)
	}
}

// set changes what the destination answers.
func (r *rig) set(answer func(context.Context, string) error) {
	r.turn.Lock()
	defer r.turn.Unlock()
	r.answer = answer
}

func (r *rig) fails(err error) { r.set(func(context.Context, string) error { return err }) }

// pass lets time pass, and everything happen that is to happen in it.
func (r *rig) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (r *rig) said(text string) int {
	r.turn.Lock()
	defer r.turn.Unlock()
	return strings.Count(r.log.String(), text)
}

// bubble runs a test in time of its own.
func bubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, test)
}

// hint is an error that knows more of itself.
type hint struct {
	permanent bool
	wait      time.Duration
}

func (h hint) Error() string       { return fmt.Sprint("no, permanent: ", h.permanent) }
func (h hint) Permanent() bool     { return h.permanent }
func (h hint) Wait() time.Duration { return h.wait }

func TestOldestFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, "a", "b", "c")
		stop := r.start(t, r.store)
		r.pass(0)
		r.store.add("d")
		r.pass(0)
		if diff := cmp.Diff([]string{"a", "b", "c", "d"}, r.tries); diff != "" {
			t.Errorf("tries (-want +got):\n%s", diff)
		}
		if took := stop(); took != 0 || r.LastError() != nil || r.log.Len() > 0 || r.store.waiting() > 0 {
			t.Errorf("stopping took %v, %v\n%s", took, r.LastError(), &r.log)
		}
	})
}

// What fails is kept, said at once and then once a minute, and sent when it can be.
func TestOutage(t *testing.T) {
	t.Parallel()
	for _, down := range []error{errors.New("connection refused"), hint{permanent: true}} {
		t.Run(down.Error(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				r := newRig(t, "a")
				r.fails(fmt.Errorf("send: %w", down))
				stop := r.start(t, r.store)
				r.pass(10 * time.Minute)
				r.store.add("b")
				r.pass(0)
				if !errors.Is(r.LastError(), down) || r.store.waiting() != 2 {
					t.Errorf("last error %v, %d wait", r.LastError(), r.store.waiting())
				}
				// At most 10 s between two tries, 5 s on average.
				if n := len(r.tries); n < 70 || n > 300 {
					t.Errorf("%d tries in ten minutes", n)
				}
				if n := r.said("points are kept"); n < 9 || n > 11 {
					t.Errorf("said %d times in ten minutes:\n%s", n, &r.log)
				}
				if _, permanent := down.(hint); permanent != (r.said("level=ERROR") > 0) {
					t.Errorf("the log's level is wrong:\n%s", &r.log)
				}
				r.fails(nil)
				r.pass(maxBackoff + minBackoff)
				if r.store.waiting() != 0 || r.LastError() != nil || r.said("points are sent again") != 1 {
					t.Errorf("%d wait, last error %v\n%s", r.store.waiting(), r.LastError(), &r.log)
				}
				stop()
			})
		})
	}
}

// What somebody must mend is said at once, though another failure was said a moment ago.
func TestPermanentIsSaidAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, "a")
		r.fails(errors.New("it starts"))
		stop := r.start(t, r.store)
		r.pass(time.Second)
		r.fails(hint{permanent: true})
		r.pass(maxBackoff + minBackoff)
		if r.said("level=WARN") != 1 || r.said("level=ERROR") != 1 {
			t.Errorf("log:\n%s", &r.log)
		}
		stop()
	})
}

func TestWaitIsObeyed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, "a")
		var times []time.Duration
		start := time.Now()
		r.set(func(context.Context, string) error {
			times = append(times, time.Since(start))
			if len(times) < 3 {
				return hint{wait: 40 * time.Second}
			}
			return nil
		})
		stop := r.start(t, r.store)
		r.pass(2 * time.Minute)
		if len(times) != 3 || times[1] < 40*time.Second || times[2]-times[1] < 40*time.Second ||
			r.store.waiting() != 0 {
			t.Errorf("tries at %v, %d wait", times, r.store.waiting())
		}
		stop()
	})
}

// The store fails: it is tried again, and what was delivered is not delivered again.
func TestStoreFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r := newRig(t, "a", "b", "c")
		r.letters = func(text string) []byte { return []byte(strings.Trim(text, "bc")) }
		disk := errors.New("disk full")
		r.store.errors = []error{disk, disk, nil, disk, disk}
		stop := r.start(t, r.store)
		r.pass(time.Minute)
		if diff := cmp.Diff([]string{"a", "b", "c"}, r.delivered); diff != "" {
			t.Errorf("delivered (-want +got):\n%s", diff)
		}
		letters, err := r.store.Bolt.Oldest(t.Context(), store.Letters)
		if err != nil || len(letters) != 1 || string(letters[0].Data) != "a" {
			t.Errorf("letters %q, %v", letters, err)
		}
		if r.store.waiting() != 0 || r.LastError() != nil || r.said("disk full") != 1 {
			t.Errorf("%d wait, %v\n%s", r.store.waiting(), r.LastError(), &r.log)
		}
		stop()
	})
}

func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		// What is there is sent, however it came.
		r := newRig(t, "a", "b", "c", "d")
		r.set(func(context.Context, string) error { time.Sleep(time.Second); return nil })
		stop := r.start(t, r.store)
		r.pass(time.Second / 2)
		r.store.add("e")
		if took := stop(); r.store.waiting() != 0 || took != 4500*time.Millisecond {
			t.Errorf("%d of 5 wait after %v", r.store.waiting(), took)
		}
		// A slow destination gets five seconds.
		r = newRig(t, "a")
		r.set(func(ctx context.Context, _ string) error { <-ctx.Done(); return context.Cause(ctx) })
		stop = r.start(t, r.store)
		r.pass(time.Minute)
		if took := stop(); took != stopTimeout || r.store.waiting() != 1 {
			t.Errorf("%d wait after %v", r.store.waiting(), took)
		}
		// One that does not answer gets a last try.
		r = newRig(t, "a", "b")
		r.fails(errors.New("no"))
		stop = r.start(t, r.store)
		r.pass(time.Minute)
		n := len(r.tries)
		if took := stop(); took != 0 || len(r.tries) != n+1 || r.store.waiting() != 2 {
			t.Errorf("%d tries, %d wait after %v", len(r.tries)-n, r.store.waiting(), took)
		}
		if r.said("stays in the store") != 1 {
			t.Errorf("log:\n%s", &r.log)
		}
	})
}

// Two stores share one Sender, its log and its last error.
func TestTwoStores(t *testing.T) {
	bubble(t, func(t *testing.T) {
		r, second := newRig(t, "a"), newQueue(t, "b")
		r.fails(errors.New("no"))
		stops := []func() time.Duration{r.start(t, r.store), r.start(t, second)}
		r.pass(5*time.Minute + sayEvery/2)
		if n := r.said("points are kept"); n < 5 || n > 6 {
			t.Errorf("said %d times in five minutes\n%s", n, &r.log)
		}
		r.fails(nil)
		r.pass(time.Minute)
		if n := r.store.waiting() + second.waiting(); n != 0 || r.said("sent again") != 1 {
			t.Errorf("%d wait\n%s", n, &r.log)
		}
		for _, stop := range stops {
			stop()
		}
	})
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for failures, most := range map[int]time.Duration{
		0: firstBackoff, 1: 2 * firstBackoff, 4: 16 * firstBackoff, 9: maxBackoff, 1000: maxBackoff,
	} {
		var longest time.Duration
		for range 500 {
			d := backoff(failures)
			if d < minBackoff || d > minBackoff+most {
				t.Fatalf("after %d failures %v", failures, d)
			}
			longest = max(longest, d)
		}
		if longest < most*8/10 {
			t.Errorf("after %d failures at most %v, of up to %v", failures, longest, most)
		}
	}
}
