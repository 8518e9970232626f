package window

import (
	"bytes"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/series"
)

// An entry is one of a log: messages, or a gap up to it, at an instant in ms.
type entry struct {
	ID   int64
	Gap  bool
	Msgs []msg
}

type msg struct {
	Color string
	Value float64
	TS    int64 // ms, 0 if it has none
}

// A point is what a window and a colour must become at last.
type point struct {
	Start    int64 // ms
	Stats    Stats
	Complete bool
}

// naiveLog is the second opinion on a log: in plain ms, everything looked at anew at each step, and
// all values kept to the end. It shares no code with the package.
func naiveLog(cfg Config, log []entry) []point {
	type win struct {
		start, end, first     int64
		arrivals, events      bool
		written, final, doubt bool
		values                map[string][]float64
	}
	const never = int64(-1) << 60
	width, late, idle := cfg.Width.Milliseconds(), cfg.Lateness.Milliseconds(), cfg.Idle.Milliseconds()
	wins := map[int64]*win{}
	now, newest, lastEvent, ahead := never, never, never, int64(0)
	var gaps [][2]int64
	gapEnd, inDoubt, doubtEnd := never, false, never
	advance := func(to int64) {
		now = max(now, to)
		silent := now - lastEvent
		for _, w := range wins {
			if !w.written && w.end <= now && (!w.events || w.end <= newest || silent >= idle) {
				w.written = true
			}
			end := w.end + late
			held := max(w.end, w.first) + late + 60_000
			if w.written && end <= now && (end <= newest || silent >= idle+late || now >= held) {
				w.final = true
			}
		}
		if silent >= idle+late {
			newest = never
		}
		if silent >= idle && now-gapEnd >= idle {
			inDoubt, doubtEnd = false, never
		}
	}
	for _, e := range log {
		if e.Gap {
			from := now
			gaps = append(gaps, [2]int64{from, max(e.ID, from)})
			gapEnd, inDoubt = max(gapEnd, max(e.ID, from)), true
			for _, w := range wins {
				if w.events && !w.final {
					w.doubt = true
				}
			}
		}
		advance(e.ID)
		for _, m := range e.Msgs {
			t := now
			if m.TS != 0 {
				if t = m.TS; t-now > 60_000 {
					continue
				}
			}
			start := t - t%width
			w := wins[start]
			switch {
			case w != nil && w.final:
				continue
			case w == nil && m.TS != 0 && start+width+late <= min(newest, now):
				continue
			case w == nil:
				w = &win{start: start, end: start + width, first: now, values: map[string][]float64{}}
				wins[start] = w
			}
			fits := w.values[m.Color] != nil || len(w.values) < cfg.MaxColors
			if m.TS == 0 {
				w.arrivals = w.arrivals || fits
			} else {
				w.events = w.events || fits
				newest, lastEvent, ahead = max(newest, t), now, max(ahead, t-now)
				if inDoubt {
					inDoubt = false
					lost := max(t, min(t+late, gapEnd+ahead))
					doubtEnd = max(doubtEnd, lost-lost%width+width)
				}
				w.doubt = w.doubt || fits && w.start < doubtEnd
			}
			if fits {
				w.values[m.Color] = append(w.values[m.Color], m.Value)
			}
		}
	}
	var points []point
	for _, start := range slices.Sorted(maps.Keys(wins)) {
		w := wins[start]
		complete := !w.doubt
		for _, g := range gaps {
			// A gap is an instant at least; one that only touches a window takes nothing from it.
			if w.arrivals && g[0] < w.end && (w.start < g[1] || w.start == g[0] && g[0] == g[1]) {
				complete = false
			}
		}
		for _, color := range slices.Sorted(maps.Keys(w.values)) {
			points = append(points, point{
				w.start, naiveStats(cfg.Statistics, color, w.values[color]),
				complete,
			})
		}
	}
	return points
}

// randomLog makes a log with and without event times, some out of order, far back or ahead, with
// silences, entries of one instant, and gaps.
func randomLog(r *rand.Rand, gaps bool) (Config, []entry) {
	cfg := Config{
		Width: 5 * time.Second, Lateness: time.Duration(r.IntN(8)) * time.Second,
		Idle: time.Duration(1+r.IntN(10)) * 500 * time.Millisecond, MaxColors: 3,
		Statistics: series.DefaultStatistics(),
	}
	events := r.IntN(11)
	at := int64(1_000_000) + int64(r.IntN(10000))
	var log []entry
	for range 5 + r.IntN(200) {
		switch r.IntN(12) {
		case 0:
			at += int64(r.IntN(14000))
		case 1, 2, 3:
			at += int64(r.IntN(1500))
		case 4, 5, 6:
		default:
			at += int64(r.IntN(400))
		}
		if r.IntN(60) == 0 {
			at += 70_000
		}
		e := entry{ID: at, Gap: gaps && r.IntN(25) == 0}
		if r.IntN(15) > 0 { // else a tick
			for range 1 + r.IntN(3) {
				m := msg{Color: string(rune('a' + r.IntN(5))), Value: float64(r.IntN(100))}
				if r.IntN(10) < events {
					m.TS = at - int64(r.IntN(8000)) + int64(r.IntN(12000))
					switch r.IntN(40) {
					case 0, 1:
						m.TS = at - int64(r.IntN(40000))
					case 2:
						m.TS = at + 60_000 + int64(r.IntN(3)-1)
					}
				}
				e.Msgs = append(e.Msgs, m)
			}
		}
		log = append(log, e)
	}
	return cfg, append(log, entry{ID: at + 200_000}) // the last tick
}

// A player feeds a log to a set and keeps the newest pane of each window.
type player struct {
	t     *testing.T
	set   *Set
	panes map[int64]*Pane
}

func newPlayer(t *testing.T, cfg Config) *player {
	return &player{
		t, NewSet(cfg),
		map[int64]*Pane{},
	}
}

func (p *player) entry(e entry) {
	ns := e.ID * 1e6
	if e.Gap {
		p.set.Gap(p.set.Now(), max(ns, p.set.Now()))
	}
	for _, pane := range p.set.Advance(ns) {
		if last := p.panes[pane.Start]; last != nil && last.Final {
			p.t.Errorf("window %d is written although it is final", pane.Start)
		}
		p.panes[pane.Start] = pane
	}
	for _, m := range e.Msgs {
		if m.TS == 0 {
			p.set.Add(m.Color, m.Value)
		} else {
			p.set.AddEvent(m.Color, m.Value, m.TS*1e6)
		}
	}
}

// points computes what the panes hold now that all else has gone on.
func (p *player) points() (points []point) {
	for _, start := range slices.Sorted(maps.Keys(p.panes)) {
		for _, s := range p.panes[start].Stats() {
			points = append(points, point{start / 1e6, s, !p.panes[start].Incomplete})
		}
	}
	return points
}

func checkLog(t *testing.T, what string, seed uint64, log []entry, want, got []point) {
	t.Helper()
	if slices.EqualFunc(want, got, func(a, b point) bool {
		x, y := a.Stats, b.Stats
		return a.Start == b.Start && a.Complete == b.Complete && x.Color == y.Color &&
			x.Count == y.Count &&
			near(x.Sum, y.Sum) && slices.EqualFunc(x.Values, y.Values, near)
	}) {
		return
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(near)); diff != "" { // slow, and says where
		text, _ := json.Marshal(log)
		t.Fatalf("seed %d, %s: -want +got\n%s\n%s", seed, what, diff, text)
	}
}

// TestRandomLogs runs random logs through a set: whole; as a stream's worker does, whose state
// holds no values, with restarts that replay the log; and as a Pub/Sub worker does, with restarts
// that restore parts. All must give what naiveLog gives.
func TestRandomLogs(t *testing.T) {
	const together = 100
	logs := 1000
	if testing.Short() {
		logs = 300
	}
	for first := 0; first < logs; first += together {
		t.Run(strconv.Itoa(first), func(t *testing.T) {
			t.Parallel()
			for i := range together {
				playLog(t, uint64(first+i))
			}
		})
	}
}

// FuzzRandomLogs goes on with other logs.
func FuzzRandomLogs(f *testing.F) {
	f.Add(uint64(1 << 32))
	f.Fuzz(playLog)
}

func playLog(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 5))
	cfg, log := randomLog(r, seed%3 == 0)
	want := naiveLog(cfg, log)
	whole := newPlayer(t, cfg)
	for _, e := range log {
		whole.entry(e)
	}
	checkLog(t, "whole", seed, log, want, whole.points())
	checkLog(t, "restarted with replay", seed, log, want, playStream(t, r, cfg, log))
	checkLog(t, "restarted with parts", seed, log, want, playParts(t, r, cfg, log))
}

func encodeState(t *testing.T, s *Set) []byte {
	t.Helper()
	text, err := json.Marshal(s.State())
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decodeState(t *testing.T, text []byte) State {
	t.Helper()
	var state State
	if err := json.Unmarshal(text, &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// playStream commits at random places, between any two entries, and goes on from the last commit at
// random places, also from one that was made before the newest panes were given.
func playStream(t *testing.T, r *rand.Rand, cfg Config, log []entry) []point {
	p := newPlayer(t, cfg)
	var committed []byte
	position, restarts := 0, 0 // entries before position are in the commit
	committedPanes := maps.Clone(p.panes)
	for i := 0; i < len(log); i++ {
		p.entry(log[i])
		if r.IntN(4) == 0 {
			committed, position = encodeState(t, p.set), i+1
			committedPanes = maps.Clone(p.panes)
		}
		if committed == nil || restarts >= 40 || r.IntN(6) > 0 {
			continue
		}
		restarts++
		state := decodeState(t, committed)
		p.set = Restore(cfg, state)
		p.panes = maps.Clone(committedPanes)
		from := p.set.Oldest()
		for _, e := range log[:position] {
			if e.ID*1e6 < from {
				continue // trimmed
			}
			for _, m := range e.Msgs {
				event := e.ID * 1e6
				if m.TS != 0 {
					event = m.TS * 1e6
				}
				p.set.Replay(m.Color, m.Value, e.ID*1e6, event)
			}
		}
		if n := p.set.Check(state); n != 0 {
			t.Errorf("%d values are missing after a replay", n)
		}
		i = position - 1
	}
	return p.points()
}

// playParts saves state and parts at random places and restores a new set from them at others.
func playParts(t *testing.T, r *rand.Rand, cfg Config, log []entry) []point {
	p := newPlayer(t, cfg)
	type part struct {
		start int64
		data  []byte
	}
	var parts []part
	for _, e := range log {
		p.entry(e)
		if r.IntN(4) > 0 {
			continue
		}
		for _, x := range p.set.Parts(false) {
			parts = append(parts, part{x.Start, x.Append(nil)})
		}
		if r.IntN(3) > 0 {
			continue
		}
		if r.IntN(4) == 0 {
			parts = nil
			for _, x := range p.set.Parts(true) {
				parts = append(parts, part{x.Start, x.Append(nil)})
			}
		}
		state := decodeState(t, encodeState(t, p.set))
		p.set = Restore(cfg, state)
		for _, x := range parts {
			if err := p.set.RestorePart(x.start, x.data); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.set.Check(state); n != 0 {
			t.Errorf("%d values are missing after a restart", n)
		}
	}
	return p.points()
}

// TestPartsKeepEverything restores a window of many values, counted, stored and past the cap, at
// random places.
func TestPartsKeepEverything(t *testing.T) {
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(seed, 1))
		cfg := Config{Width: time.Hour, MaxValues: 1 << 13, Statistics: full}
		set := NewSet(cfg)
		set.Advance(0)
		values := make(map[string][]float64)
		var parts [][]byte
		for range 30_000 {
			color, value := string(rune('a'+r.IntN(3))), randomValue(r)
			if seed%2 == 0 {
				value = float64(r.IntN(1 << (10 + 2*seed)))
			}
			set.Add(color, value)
			values[color] = append(values[color], value)
			if r.IntN(3000) > 0 {
				continue
			}
			for _, p := range set.Parts(false) {
				parts = append(parts, p.Append(nil))
			}
			restored := Restore(cfg, set.State())
			for _, p := range parts {
				if err := restored.RestorePart(0, p); err != nil {
					t.Fatal(err)
				}
			}
			if a, b := set.Open()[0], restored.Open()[0]; a.stored != b.stored {
				t.Errorf("seed %d: %d values are stored, %d after a restart", seed, a.stored, b.stored)
			}
			set = restored
		}
		for _, got := range set.Open()[0].Partial() {
			want := naiveStats(full, got.Color, values[got.Color])
			if got.Approximate {
				got = exact(t, want, got, 4*MedianError)
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(near)); diff != "" {
				t.Fatalf("seed %d: -want +got\n%s", seed, diff)
			}
		}
	}
}

// FuzzRestorePart: damaged parts give an error or values, never a panic.
func FuzzRestorePart(f *testing.F) {
	cfg := Config{Width: 5 * time.Second, MaxValues: 100}
	s := NewSet(cfg)
	s.Advance(0)
	for i := range 5000 {
		s.Add("red", float64(i%300))
		s.Add("blue", float64(i)/7)
	}
	whole := s.Parts(false)[0].Append(nil)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		r := Restore(cfg, State{Open: []Head{{Start: 0, End: 5 * second}}})
		err := r.RestorePart(0, data)
		if err == nil && len(data) > 0 {
			again := Restore(cfg, State{Open: []Head{{Start: 0, End: 5 * second}}})
			if err := again.RestorePart(0, bytes.Clone(data)); err != nil {
				t.Errorf("the same part is damaged the second time: %v", err)
			}
		}
	})
}

// TestMissingValues: a window whose messages were deleted before they were replayed says so.
func TestMissingValues(t *testing.T) {
	s := newTester(t, Config{Width: 5 * time.Second, Lateness: 5 * time.Second})
	s.at(0)
	s.add(Added)
	s.at(1)
	s.add(Added)
	s.at(5, short{0, 2, ""})
	state := s.State()
	again := Restore(s.cfg, state)
	again.Replay("red", 1, second, second)
	if n := again.Check(state); n != 1 {
		t.Errorf("%d values are missing, want 1", n)
	}
	wantPanes(t, again.Advance(6*second), short{0, 1, "ia"})
}
