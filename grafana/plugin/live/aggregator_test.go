package live

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/worker/source"
	"colorstream/worker/window"
)

const (
	ms     = int64(time.Millisecond)
	second = int64(time.Second)
)

// base is the start of a window.
var base = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()

// A player plays one partition's source, and the clock.
type player struct {
	*Partition
	clock int64
}

func newTest() (*Aggregator, *player) {
	a := NewAggregator(window.Config{Width: 5 * time.Second}, nil)
	return a, newPlayer(a)
}

func newPlayer(a *Aggregator) *player {
	p := &player{Partition: a.partition()}
	a.lastTick = base
	a.now = func() int64 { return p.clock }
	return p
}

func (p *player) connect(at int64) {
	p.clock = at
	p.Gap(max(p.set.Now(), 0), at+1)
	p.Time(at, source.Position{})
	p.State(nil)
}

func (p *player) disconnect(at int64) {
	p.clock = at
	p.Gap(p.set.Now(), at)
	p.Time(at, source.Position{})
	p.State(errors.New("gone"))
}

// colors are those that are shown.
func shown(a *Aggregator) []string {
	names, _ := a.Colors()
	return names
}

func (p *player) send(payload string, at int64) {
	p.clock = at
	p.Message(payload)
}

// tick lets time pass, by the source and by the clock.
func (p *player) tick(at int64) {
	p.clock = at
	p.Time(at, source.Position{})
	p.aggregator.tick(at)
}

func payload(color string, value float64) string {
	return fmt.Sprintf(`{"color":%q,"name":"n","value":%v}`, color, value)
}

// run plays messages and times as a source does.
func run(p *player, from, to int64, send func(at int64)) {
	for at := from; at <= to; at += 10 * ms {
		if at%tickEvery == 0 {
			p.tick(at)
		}
		send(at)
	}
}

// naive computes what a window must be, from scratch.
func naive(color string, values []float64) window.Stats {
	v := slices.Sorted(slices.Values(values))
	s := window.Stats{Color: color, Count: int64(len(v))}
	for _, f := range v {
		s.Sum += f
	}
	median := (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	s.Values = []float64{s.Sum / float64(len(v)), median, v[0], v[len(v)-1]}
	return s
}

func TestRunningRowsAreWhatCameSoFarAndClosedRowsTheWhole(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base - second)
	random := rand.New(rand.NewPCG(3, 4))
	type came struct {
		at    int64
		color string
		value float64
	}
	var all []came
	run(p, base-second, base+16*second, func(at int64) {
		for _, color := range []string{"red", "blue", "green"} {
			if at >= base && random.IntN(3) == 0 {
				m := came{at, color, float64(random.IntN(1000)) / 8}
				all = append(all, m)
				p.send(payload(m.color, m.value), at)
			}
		}
	})
	stats := func(from, to int64) []window.Stats {
		values := map[string][]float64{}
		for _, m := range all {
			if m.at >= from && m.at < to {
				values[m.color] = append(values[m.color], m.value)
			}
		}
		var out []window.Stats
		for _, color := range []string{"blue", "green", "red"} {
			if v := values[color]; v != nil {
				out = append(out, naive(color, v))
			}
		}
		return out
	}
	equal := cmp.Comparer(func(a, b float64) bool { return a-b < 1e-9 && b-a < 1e-9 })

	closed, _, _ := a.Closed.After(0, 0)
	if len(closed) != 3 {
		t.Fatalf("%d closed windows, want 3", len(closed))
	}
	for i, row := range closed {
		start := base + int64(i)*5*second
		if row.At != start {
			t.Errorf("window %d is at %d, want its start %d", i, row.At, start)
		}
		if diff := cmp.Diff(stats(start, start+5*second), row.Stats, equal); diff != "" {
			t.Errorf("window %d: %s", i, diff)
		}
	}
	rows, _, _ := a.Partial.After(0, 0)
	last := rows[0].At
	for _, row := range rows[1:] {
		if row.At-last != partialEvery {
			t.Errorf("rows at %d and %d", last, row.At)
		}
		last = row.At
		if row.At <= base {
			continue
		}
		start := (row.At - 1) / (5 * second) * 5 * second // at a window's end: that window
		if diff := cmp.Diff(stats(start, row.At), row.Stats, equal); diff != "" {
			t.Errorf("%v after the start: %s", time.Duration(row.At-base), diff)
		}
	}
}

func TestAWindowThatWasNotHeardWholeIsNotAmongTheClosed(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base + second + 10*ms)
	send := func(at int64) { p.send(payload("red", 1), at) }
	run(p, base+second+10*ms, base+12*second, send) // the first began before
	p.disconnect(base + 12*second)
	run(p, base+12*second, base+13*second, func(int64) {})
	p.connect(base + 13*second)
	run(p, base+13*second, base+21*second, send)
	for range 99 { // with the last one a hundred, of which nobody knows the second: ticks were late
		send(base + 22*second)
	}
	p.tick(base + 25*second)

	rows, _, _ := a.Closed.After(0, 0)
	var starts []int64
	for _, row := range rows {
		starts = append(starts, (row.At-base)/second)
	}
	if diff := cmp.Diff([]int64{5, 15, 20}, starts); diff != "" {
		t.Errorf("closed windows: %s", diff)
	}
	running, _, _ := a.Partial.After(0, 0)
	for _, row := range running {
		at := time.Duration(row.At - base)
		away := at > 12*time.Second && at < 13*time.Second
		if away && len(row.Stats) > 0 {
			t.Errorf("%v: Redis is away, but there is a value", at)
		}
		if at > 13*time.Second+time.Duration(partialEvery) && len(row.Stats) == 0 {
			t.Errorf("%v: no value", at)
		}
	}
	rates, _, _ := a.Rates.After(0, 0)
	for _, row := range rates {
		at := (row.At - base) / second
		heard := at > 1 && at < 12 || at > 13 && at < 21
		if heard != (len(row.Stats) > 0 && row.Stats[0].Count == 100) {
			t.Errorf("second %d: rates %+v", at, row.Stats)
		}
	}
}

func TestALargeWindowIsLookedAtMoreRarely(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base)
	for range 2 * costly {
		p.set.Add("red", 1)
	}
	run(p, base+10*ms, base+4*second, func(int64) {})
	if rows, _, _ := a.Partial.After(0, base+1); len(rows) != 8 {
		t.Errorf("%d rows in four seconds, want one each half second", len(rows))
	}
}

func TestEventTimesOfThePastAreWatchedToo(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base)
	long := base - 1000*second // a window's start
	n := int64(0)
	run(p, base, base+10*second, func(at int64) {
		// A second of the file takes a tenth.
		ts := long + (at-base)*10
		p.send(fmt.Sprintf(`{"color":"red","value":%d,"ts":%d}`, n, ts/ms), at)
		n++
	})
	closed, _, _ := a.Closed.After(0, 0)
	if len(closed) < 15 {
		t.Fatalf("%d closed windows, want nearly 20", len(closed))
	}
	for _, row := range closed {
		if len(row.Stats) != 1 || row.Stats[0].Count != 50 {
			t.Errorf("window %d: %+v, want 50 messages", (row.At-long)/second, row.Stats)
		}
	}
	running, _, _ := a.Partial.After(0, 0)
	for i := 1; i < len(running); i++ {
		if running[i].At <= running[i-1].At {
			t.Errorf("row %d is not after the one before", i)
		}
	}
}

func TestMessagesAreAllShownUpToARateAndSampledAbove(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base)
	p.tick(base)
	for i := range int64(200) { // 50 a second
		at := base + i*20*ms + 1
		p.send(payload("red", float64(i)), at)
		p.tick(base + (i+1)*20*ms)
	}
	rows, next, _ := a.Messages.After(0, 0)
	if len(rows) != 200 {
		t.Fatalf("%d of 200 messages at the rate where all are shown", len(rows))
	}
	for i, m := range rows {
		if m.Stats[0].Sum != float64(i) || m.Factor != 1 {
			t.Errorf("message %d: %+v", i, m)
		}
	}

	from := base + 10*second
	p.tick(from)
	red, total := 0, 0.0
	for i := range int64(100_000) { // 10 000 a second, nine tenths red
		color := "red"
		if i%10 == 9 {
			color = "blue"
		}
		p.send(payload(color, float64(i)), from+i*ms/10)
		if i%10 == 9 {
			p.tick(from + (i+1)*ms/10)
		}
	}
	rows, _, _ = a.Messages.After(next, 0)
	last := -1.0
	for _, m := range rows {
		total += m.Factor
		if m.Stats[0].Color == "red" {
			red++
		}
		if m.Stats[0].Sum <= last {
			t.Errorf("message %v after %v", m.Stats[0].Sum, last)
		}
		last = m.Stats[0].Sum
	}
	if len(rows) != 500 || total != 100_000 {
		t.Errorf("%d messages stand for %v, want 500 for 100000", len(rows), total)
	}
	if red < 400 || red > 490 {
		t.Errorf("%d of 500 are red, want about 450", red)
	}
}

func TestColoursKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base)
	run(p, base, base+2*second, func(at int64) {
		p.send(payload("red", 1), at)
		if at > base+second {
			p.send(payload("blue", 1), at)
		}
	})
	want := []string{"red", "blue"}
	if diff := cmp.Diff(want, shown(a)); diff != "" {
		t.Error(diff)
	}
	// red is silent, first for a while, then for longer than anything is remembered.
	blue := func(at int64) { p.send(payload("blue", 1), at) }
	run(p, base+2*second, base+300*second, blue)
	if diff := cmp.Diff(want, shown(a)); diff != "" {
		t.Error(diff)
	}
	run(p, base+300*second, base+603*second, blue)
	if diff := cmp.Diff([]string{"blue"}, shown(a)); diff != "" {
		t.Error(diff)
	}
	run(p, base+603*second, base+604*second, func(at int64) { p.send(payload("red", 1), at) })
	if diff := cmp.Diff([]string{"blue", "red"}, shown(a)); diff != "" {
		t.Error(diff)
	}
	// Another receiver goes on with them.
	a.partitions = nil
	p = newPlayer(a)
	run(p, base+605*second, base+606*second, func(at int64) {
		p.send(payload("green", 1), at)
		p.send(payload("red", 1), at)
	})
	if diff := cmp.Diff([]string{"blue", "red", "green"}, shown(a)); diff != "" {
		t.Error(diff)
	}
}

func TestThereIsNoEndOfColours(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base)
	defer a.pin([]string{"c9000"})()
	run(p, base, base+6*second, func(at int64) {
		for i := range 100 {
			p.send(payload(fmt.Sprint("c", (at/ms/10*100+int64(i))%12_000), 1), at)
		}
	})
	if names, hidden := a.Colors(); len(names) != MaxShown || hidden != maxKnown-MaxShown {
		t.Errorf("%d colours are shown, %d hidden", len(names), hidden)
	}
	rows, _, _ := a.Partial.After(0, 0)
	asked := false
	for _, row := range rows {
		if len(row.Stats) > MaxShown+1 || cap(row.Stats) > 4*MaxShown {
			t.Errorf("a row has %d colours, room for %d", len(row.Stats), cap(row.Stats))
		}
		asked = asked || slices.ContainsFunc(row.Stats,
			func(s window.Stats) bool { return s.Color == "c9000" })
	}
	if !asked {
		t.Error("the colour that was asked for is in no row")
	}
	var many []string
	for i := range 2 * maxPinned {
		many = append(many, fmt.Sprint("c", i))
	}
	release := a.pin(many)
	if n := len(a.colors.pinned); n != maxPinned {
		t.Errorf("%d colours are pinned, want %d", n, maxPinned)
	}
	if release(); len(a.colors.pinned) != 1 {
		t.Errorf("%d colours are pinned after the release, want c9000", len(a.colors.pinned))
	}
}

func TestMessagesThatCannotBeReadAreLeftOut(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.connect(base)
	p.tick(base)
	several := payload("red", 1) + "\n{\"color\"}\n" + payload("red", 2) + "\n"
	for _, text := range []string{`{"color":"blue"}`, several, `nonsense`, ``} {
		p.send(text, base+ms)
	}
	p.tick(base + second)
	rows, _, _ := a.Messages.After(0, 0)
	if len(rows) != 2 || rows[0].Stats[0].Sum != 1 || rows[1].Stats[0].Sum != 2 ||
		rows[1].Stats[0].Color != "red" || rows[1].Factor != 1 || rows[1].At != base+ms {
		t.Errorf("messages %+v, want two of red", rows)
	}
	if diff := cmp.Diff([]string{"red"}, shown(a)); diff != "" {
		t.Error(diff)
	}
}

// Two partitions have colours of their own, and their times do not keep step. A window's row waits
// for both, and has the colours of both.
func TestPartitions(t *testing.T) {
	t.Parallel()
	a, one := newTest()
	two := &player{Partition: one.aggregator.partition()}
	one.connect(base)
	two.connect(base)
	for at := base; at < base+12*second; at += 100 * ms {
		one.Time(at, source.Position{})
		one.send(payload("red", 1), at)
		if at >= base+300*ms { // two is behind
			two.Time(at-300*ms, source.Position{})
			two.Message(payload("blue", 2))
		}
		a.tick(at)
	}
	rows, _, _ := a.Closed.After(0, 0)
	if len(rows) != 1 || rows[0].At != base+5*second || len(rows[0].Stats) != 2 ||
		rows[0].Stats[0].Color != "blue" || rows[0].Stats[0].Count != 50 ||
		rows[0].Stats[1].Color != "red" || rows[0].Stats[1].Count != 50 {
		t.Errorf("closed windows %+v", rows)
	}
	two.disconnect(base + 13*second)
	a.tick(base + 14*second)
	a.tick(base + 15*second)
	rates, _, _ := a.Rates.After(0, 0)
	if last := rates[len(rates)-1]; len(last.Stats) != 0 {
		t.Errorf("rates without a partition: %+v", last)
	}

	// Another receiver does not go on with what one of them had closed.
	one.Time(base+15*second, source.Position{})
	a.receive = func(context.Context, func() *Partition) {}
	a.Watch(t.Context(), nil)
	a.partition().Time(base+16*second, source.Position{})
	if rows, _, _ := a.Closed.After(0, 0); len(rows) != 1 {
		t.Errorf("closed windows %+v", rows)
	}
}

// A window that was closed stays open for late data. It is not shown as the open one any more, and
// what comes for it does not change its row.
func TestLateness(t *testing.T) {
	t.Parallel()
	a, p := newTest()
	p.set = window.NewSet(window.Config{Width: 5 * time.Second, Lateness: 5 * time.Second})
	p.connect(base - 3*second)
	event := func(at, ts int64) {
		p.send(fmt.Sprintf(`{"color":"red","value":1,"ts":%d}`, ts/ms), at)
	}
	event(base-2*second, base-2*second) // its window, with the connecting in it, is incomplete
	run(p, base, base+13*second, func(at int64) {
		switch {
		case at < base+5*second, at == base+6*second: // the last one closes the window
			event(at, at)
		case at == base+7*second: // and this one is late
			event(at, base)
		}
	})
	rows, _, _ := a.Closed.After(0, 0)
	if len(rows) != 2 || rows[0].At != base ||
		rows[0].Stats[0].Count != 500 || rows[1].Stats[0].Count != 1 {
		t.Errorf("closed windows %+v", rows)
	}
	partial, _, _ := a.Partial.After(0, 0)
	for _, row := range partial {
		if row.At > base+6200*ms && row.At < base+10*second &&
			(len(row.Stats) != 1 || row.Stats[0].Count != 1) {
			t.Errorf("%v: %+v", time.Duration(row.At-base), row.Stats)
		}
	}
}
