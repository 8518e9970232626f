package pipeline

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/message"
	"colorstream/worker/window"
)

const second = int64(time.Second)

// A handClock is set by the test.
type handClock struct{ now, skipped, behind int64 }

func (c *handClock) Read() (now, skipped, behind int64) { return c.now, c.skipped, c.behind }

// A memorySpool keeps lines in memory and fails when it is told to.
type memorySpool struct {
	mu    sync.Mutex
	lines strings.Builder
	err   error
	calls int
}

func (s *memorySpool) Append(lines []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if s.err != nil {
		return s.err
	}
	s.lines.Write(lines)
	return nil
}

func (s *memorySpool) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *memorySpool) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines.String()
}

// A line is a whole worker without source and sender.
type line struct {
	*Receiver
	store  *Store
	set    *window.Set
	clock  *handClock
	spool  *memorySpool
	asides []Aside
	safe   int64
	disk   error
	before string // the position of before the restart
	finish func()
}

func newLine(t *testing.T, dir string, cfg window.Config) *line {
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	l := &line{clock: &handClock{now: 1000 * second}, spool: new(memorySpool), set: window.NewSet(cfg)}
	var mu sync.Mutex
	l.store = NewStore(log, dir, l.spool, func(err error) { mu.Lock(); l.disk = err; mu.Unlock() }, func(safe int64) {
		mu.Lock()
		l.safe = safe
		mu.Unlock()
	})
	_, l.before = l.store.Recover(l.set)
	l.Receiver = NewReceiver(log, l.set, l.clock, func(a Aside) { l.asides = append(l.asides, a) })
	closer := NewCloser(log, l.Receiver, l.store, func(time.Duration) {})
	var stages sync.WaitGroup
	stages.Go(closer.Run)
	stages.Go(l.store.Run)
	l.finish = sync.OnceFunc(func() { l.Close(); stages.Wait() })
	t.Cleanup(l.finish)
	return l
}

// at does something at an instant, in seconds.
func (l *line) at(seconds int64, do func(now int64)) {
	l.clock.now = seconds * second
	do(l.Begin())
	l.End()
}

func (l *line) send(seconds int64, payloads ...string) {
	l.at(seconds, func(now int64) {
		for _, p := range payloads {
			l.Message(p, now, false)
		}
	})
}

func wantLines(t *testing.T, got string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, strings.Fields(strings.ReplaceAll(strings.ReplaceAll(got, "color_metrics,color=", ""), " ", ":"))); diff != "" {
		t.Errorf("lines: -want +got\n%s", diff)
	}
}

func TestLine(t *testing.T) {
	l := newLine(t, t.TempDir(), window.Config{Width: 5 * time.Second, MaxColors: 2})
	l.at(1000, l.Heard)
	l.send(1001, `{"color":"red","value":1}`, `{"color":"red","value":4}`, `{"color":"blue","value":2}`, `{"color":"green","value":1}`)
	l.send(1002, `not a message`, `{"color":"red","value":1,"ts":2000000}`, strings.Repeat("x", 5000))
	l.at(1005, l.Advance)
	l.send(1006, `{"color":"red","value":1,"ts":1001000}`)
	l.at(1010, func(now int64) { l.Advance(now); l.Lost(now) })
	c := l.Counts()
	l.finish()
	wantLines(t, l.spool.text(),
		"blue:mean=2,median=2,min=2,max=2,sum=2,count=1i,complete=true:1000000000000",
		"red:mean=2.5,median=2.5,min=1,max=4,sum=5,count=2i,complete=true:1000000000000")
	reasons := make([]message.Reason, len(l.asides))
	for i, a := range l.asides {
		reasons[i] = a.Reason
		if len(a.Payload) > maxAside {
			t.Errorf("%d bytes are kept aside", len(a.Payload))
		}
	}
	if diff := cmp.Diff([]message.Reason{TooManyColors, message.NotJSON, Future, message.NotJSON, Late}, reasons); diff != "" {
		t.Error(diff)
	}
	if c.Received != 8 || c.Counted != 3 || c.Closed != 1 || c.Refused[Late] != 1 || c.Received != c.Counted+uint64(len(l.asides)) {
		t.Errorf("%+v", c)
	}
	if l.safe != 1005*second {
		t.Errorf("safe until %d", l.safe/second)
	}
}

func TestClockTrouble(t *testing.T) {
	l := newLine(t, t.TempDir(), window.Config{Width: 5 * time.Second})
	l.at(1000, l.Heard)
	l.send(1001, `{"color":"red","value":1}`)
	l.clock.skipped = 3600 * second // the machine slept for an hour
	l.send(4602, `{"color":"red","value":2}`)
	l.clock.skipped, l.clock.behind = 0, 3600*second
	l.send(4606, `{"color":"red","value":3}`) // set back: the receiver's clock goes on
	l.clock.behind = 0
	l.at(4620, l.Advance)
	l.finish()
	wantLines(t, l.spool.text(),
		"red:mean=1,median=1,min=1,max=1,sum=1,count=1i,complete=false:1000000000000",
		"red:mean=2,median=2,min=2,max=2,sum=2,count=1i,complete=false:4600000000000",
		"red:mean=3,median=3,min=3,max=3,sum=3,count=1i,complete=true:4605000000000")
}

// TestRestart stops a line inside a window and lets another go on in the same folder.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	cfg := window.Config{Width: 5 * time.Second}
	l := newLine(t, dir, cfg)
	l.at(1000, l.Heard)
	l.send(1001, `{"color":"red","value":1}`)
	l.at(1005, l.Advance)
	l.send(1006, `{"color":"red","value":2}`)
	l.Checkpoint()
	l.Checkpoint() // nothing has changed
	l.finish()
	first := "red:mean=1,median=1,min=1,max=1,sum=1,count=1i,complete=true:1000000000000"
	wantLines(t, l.spool.text(), first)

	l = newLine(t, dir, cfg)
	l.at(1007, l.Heard)
	l.send(1008, `{"color":"red","value":4}`, `{"color":"red","value":9,"ts":1001000}`)
	l.at(1010, l.Advance)
	l.finish()
	// The first line comes again, the same: who knows whether the spool had it.
	wantLines(t, l.spool.text(), first, "red:mean=3,median=3,min=2,max=4,sum=6,count=2i,complete=false:1005000000000")
	if len(l.asides) != 1 || l.asides[0].Reason != Late {
		t.Errorf("kept aside: %v", l.asides)
	}
}

// TestPositionIsOfTheClosing: what comes back after a restart is the source's position when windows were last stored,
// also after a second restart without any.
func TestPositionIsOfTheClosing(t *testing.T) {
	dir := t.TempDir()
	cfg := window.Config{Width: 5 * time.Second}
	l := newLine(t, dir, cfg)
	l.at(1000, l.Heard)
	l.send(1001, `{"color":"red","value":1}`)
	l.at(1005, func(now int64) { l.Position("7-1"); l.Advance(now); l.Position("8-2") })
	l.finish()
	for range 2 {
		l = newLine(t, dir, cfg)
		if l.before != "7-1" {
			t.Errorf("position %q", l.before)
		}
		l.finish()
	}
}

// TestDamagedState starts over what cannot be read.
func TestDamagedState(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{openFile, closedFile} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l := newLine(t, dir, window.Config{Width: 5 * time.Second})
	l.at(1000, l.Heard)
	l.send(1001, `{"color":"red","value":1}`)
	l.at(1005, l.Advance)
	l.finish()
	wantLines(t, l.spool.text(), "red:mean=1,median=1,min=1,max=1,sum=1,count=1i,complete=true:1000000000000")
}

// TestDiskRefuses lets the disk fail for a while, in each of the two places: windows wait, the receiver goes on, and
// nothing is lost or changes its order.
func TestDiskRefuses(t *testing.T) {
	for _, place := range []string{"spool", "state"} {
		t.Run(place, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				l := newLine(t, dir, window.Config{Width: 5 * time.Second})
				blocked := filepath.Join(dir, closedFile+".new")
				if place == "spool" {
					l.spool.fail(errors.New("no space left"))
				} else if err := os.Mkdir(blocked, 0o700); err != nil {
					t.Fatal(err)
				}
				l.at(1000, l.Heard)
				var want []string
				for i := range int64(20) {
					l.send(1001+5*i, fmt.Sprintf(`{"color":"red","value":%d}`, i))
					l.at(1005+5*i, l.Advance)
					want = append(want, fmt.Sprintf("red:mean=%d,median=%d,min=%d,max=%d,sum=%d,count=1i,complete=true:%d", i, i, i, i, i, (1000+5*i)*second))
				}
				time.Sleep(3 * retryEvery)
				synctest.Wait()
				if l.disk == nil || l.store.Waiting() == 0 || l.safe != 0 {
					t.Errorf("disk %v, %d bytes wait, safe until %d", l.disk, l.store.Waiting(), l.safe)
				}
				l.spool.fail(nil)
				_ = os.Remove(blocked)
				time.Sleep(3 * retryEvery)
				synctest.Wait()
				wantLines(t, l.spool.text(), want...)
				if l.disk != nil || l.store.Waiting() != 0 || l.safe != 1100*second || l.store.Dropped() != 0 {
					t.Errorf("disk %v, %d bytes wait, safe until %d, %d dropped", l.disk, l.store.Waiting(), l.safe/second, l.store.Dropped())
				}
				l.finish()
			})
		})
	}
}

// TestDiskNeverReturns bounds what waits, and stops in time.
func TestDiskNeverReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLine(t, t.TempDir(), window.Config{Width: 5 * time.Second})
		l.spool.fail(errors.New("no space left"))
		big := make([]byte, maxWaiting/4)
		for range 6 {
			l.store.put(item{lines: big, points: 10})
		}
		time.Sleep(10 * retryEvery)
		synctest.Wait()
		if w := l.store.Waiting(); w > maxWaiting {
			t.Errorf("%d bytes wait", w)
		}
		if !l.store.Full() {
			t.Error("the store does not call itself full")
		}
		if d := l.store.Dropped(); d != 20 {
			t.Errorf("%d points dropped, want 20", d)
		}
		start := time.Now()
		l.finish()
		if took := time.Since(start); took < lastTry || took > lastTry+2*time.Second {
			t.Errorf("stopping took %v", took)
		}
		if d := l.store.Dropped(); d != 60 {
			t.Errorf("%d points dropped, want all 60", d)
		}
	})
}
