package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"colorstream/generator/streamid"
	"colorstream/worker/history"
	"colorstream/worker/source"
	"colorstream/worker/store"
	"colorstream/worker/window"
)

// A memory is a store that fails as it is told, and keeps what a Bolt or a Redis would.
type memory struct {
	store.Store // what nobody calls here
	saved       store.Saved
	before      *store.Saved // a commit that failed and is there all the same: it is repeated
	lines       string
	fail        func() (err error, done bool)
}

func (m *memory) Commit(_ context.Context, c store.Commit) error {
	err, done := m.fail()
	if m.before != nil {
		m.saved, m.before = *m.before, nil
	}
	if errors.Is(err, store.ErrFresh) {
		m.saved = store.Saved{}
	}
	switch {
	case err != nil && !done:
		return err
	case err != nil:
		before := m.saved
		before.Parts = slices.Clone(before.Parts)
		m.before = &before
	}
	m.saved.State, m.saved.Position = slices.Clone(c.State), c.Position
	m.saved.Parts = slices.DeleteFunc(m.saved.Parts,
		func(p store.Part) bool { return c.Whole || !slices.Contains(c.Open, p.Window) })
	for _, p := range c.Parts {
		m.saved.Parts = append(m.saved.Parts, store.Part{Window: p.Window, Data: slices.Clone(p.Data)})
	}
	if err != nil {
		return err // the same lines come again
	}
	m.lines += string(c.Lines)
	var state savedState
	if err := json.Unmarshal(c.State, &state); err != nil {
		panic(err)
	}
	for _, p := range m.saved.Parts {
		if !slices.ContainsFunc(state.Windows.Open,
			func(w window.Head) bool { return w.Start == p.Window }) {
			panic("parts of a closed window are kept")
		}
	}
	return nil
}

// points gives the newest line of each colour and window.
func (m *memory) points() map[string]string {
	points := make(map[string]string)
	for line := range strings.Lines(m.lines) {
		fields := strings.Fields(line)
		points[fields[0]+" "+fields[2]] = fields[1]
	}
	return points
}

// A step is an entry of a log: it comes at a time, in ms.
type step struct {
	at      int64
	payload string
}

func (s step) id() string { return fmt.Sprintf("%d-0", s.at) }

// A core is a worker between a log and a store.
type core struct {
	cfg      config
	store    *memory
	windows  *aggregator
	commits  chan error
	trimmed  string // a stream's entries before it are gone
	isStream bool
}

// failing is a log that nothing may be written to.
type failing struct{}

func (failing) Write(text []byte) (int, error) { panic(string(text)) }

// start goes on from what is saved, over a log whose entries a stream reads again.
func (c *core) start(log []step) {
	var set *window.Set
	var position source.Position
	discard := slog.New(slog.DiscardHandler)
	if c.isStream {
		var err error
		alarm := slog.New(slog.NewTextHandler(failing{}, nil))
		set, position, err = resume(alarm, c.cfg.windows(), c.store.saved,
			func(set *window.Set, position source.Position) error {
				for _, s := range log {
					if at := s.at * int64(time.Millisecond); at >= set.Oldest() &&
						streamid.Compare(s.id(), position.ID) <= 0 &&
						streamid.Compare(s.id(), c.trimmed) >= 0 {
						replay(set, at, s.payload)
					}
				}
				return nil
			})
		if err != nil {
			panic(err)
		}
	} else {
		set = restore(discard, c.cfg.windows(), c.store.saved)
	}
	w := newWorker(discard, nil, set, position, c.store, newMetrics(prometheus.NewRegistry()),
		senders{}, c.isStream)
	c.windows, c.commits = w.windows, make(chan error, 1)
	go func() {
		err := w.commits.run(context.Background())
		if last := w.commits.progress.Load(); last != nil {
			c.trimmed = last.trim
		}
		c.commits <- err
	}()
}

// play hands a step over as a source does.
func (c *core) play(s step, position source.Position) {
	c.windows.Time(s.at*int64(time.Millisecond), position)
	if s.payload != "" {
		c.windows.Message(s.payload)
	}
}

// run plays a log and returns the points. Now and then it commits, and asks crash whether to begin
// anew from what is saved; a stream then reads on from its position.
func (c *core) run(log []step, crash func(i int) bool) map[string]string {
	c.start(log)
	for i := 0; i < len(log); i++ {
		position := source.Position{}
		if c.isStream && i > 0 {
			position.ID = log[i-1].id()
		}
		c.play(log[i], position)
		if !crash(i) {
			continue
		}
		if c.isStream { // whatever is not committed is read again
			c.windows.commits.close()
			<-c.commits
			c.start(log)
			for i = 0; i < len(log) && streamid.Compare(log[i].id(), c.store.saved.Position) <= 0; {
				i++
			}
			i--
		} else {
			c.windows.close()
			if err := <-c.commits; err != nil {
				panic(err)
			}
			c.start(nil)
		}
	}
	crash(len(log))
	last := log[len(log)-1]
	c.windows.Time(last.at*int64(time.Millisecond), source.Position{ID: last.id()})
	c.windows.close()
	<-c.commits
	return c.store.points()
}

func testConfig(lateness, idle time.Duration) config {
	windows := history.Windows{Window: time.Second, MaxColors: 10, MaxValues: 1 << 20}
	return config{Windows: windows, Lateness: &lateness, Idle: idle}
}

// randomLog makes entries of some messages, with and without ts, late and early, with silences.
func randomLog(r *rand.Rand) (log []step) {
	at := int64(1_700_000_000_000)
	for range 50 + r.IntN(200) {
		at += 1 + r.Int64N(400)
		if r.IntN(40) == 0 {
			at += r.Int64N(20_000)
		}
		var lines []string
		for range r.IntN(4) {
			line := fmt.Sprintf(`{"color":"c%d","value":%d`, r.IntN(3), r.IntN(100))
			if r.IntN(2) == 0 {
				line += fmt.Sprintf(`,"ts":%d`, at-r.Int64N(3000)+r.Int64N(500))
			}
			lines = append(lines, line+"}")
		}
		log = append(log, step{at, strings.Join(lines, "\n")})
	}
	for range 100 {
		at += 1000
		log = append(log, step{at: at})
	}
	return log
}

// TestCommitsAndCrashes plays random logs with commits that fail, that fail and are there all the
// same, that find a damaged file, and with crashes: the points are those of one run without any.
func TestCommitsAndCrashes(t *testing.T) {
	t.Parallel()
	for _, isStream := range []bool{false, true} {
		for seed := range uint64(times(30)) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				lateness := time.Duration(r.IntN(3)) * time.Second
				log := randomLog(r)
				play := func(crash func(int) bool, fail func() (error, bool)) map[string]string {
					c := &core{
						cfg:   testConfig(lateness, 2*time.Second),
						store: &memory{fail: fail}, isStream: isStream,
					}
					return c.run(log, func(i int) bool {
						time.Sleep(300 * time.Millisecond) // for a commit to be due, and the committer to do it
						synctest.Wait()
						return crash(i)
					})
				}
				want := play(func(int) bool { return false }, func() (error, bool) { return nil, true })
				var stopping atomic.Bool
				its := rand.New(rand.NewPCG(seed, 2)) // the store's own
				got := play(func(i int) bool {
					crash := r.IntN(10) == 0 && i < len(log)-100
					stopping.Store(crash || i == len(log)) // the last commits of a worker that stops succeed
					return crash
				}, func() (error, bool) {
					time.Sleep(time.Duration(its.IntN(4)) * 300 * time.Millisecond) // more comes meanwhile
					switch n := its.IntN(12); {
					case isStream: // a stream's worker would end
					case stopping.Load():
					case n < 2:
						return errors.New("disk full"), n == 0
					case n == 2:
						return store.ErrFresh, false
					}
					return nil, true
				})
				if diff := cmp.Diff(want, got); diff != "" || len(want) == 0 {
					t.Fatalf("stream %v, seed %d (-without +with crashes):\n%s", isStream, seed, diff)
				}
			})
		}
	}
}

// TestResumeWithoutValues: a window whose values are gone says so.
func TestResumeWithoutValues(t *testing.T) {
	head := window.Head{End: 1e9, Count: 1, Arrivals: true}
	state, err := json.Marshal(savedState{Windows: window.State{Open: []window.Head{head}}})
	if err != nil {
		t.Fatal(err)
	}
	set, _, err := resume(slog.New(slog.DiscardHandler), testConfig(0, time.Second).windows(),
		store.Saved{State: state}, func(*window.Set, source.Position) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if panes := set.Advance(9e9); len(panes) != 1 || !panes[0].Incomplete {
		t.Errorf("%+v", panes)
	}
}
