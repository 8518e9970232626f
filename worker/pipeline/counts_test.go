package pipeline

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"colorstream/generator/message"
	"colorstream/worker/checkpoint"
	"colorstream/worker/window"
)

// TestCountsGoOn lets a line die after it has saved some of what it received: the next one counts on from what was
// saved, so that the counts are those of the messages in windows.
func TestCountsGoOn(t *testing.T) {
	cfg := window.Config{Width: 5 * time.Second}
	for name, c := range map[string]struct {
		die  func(l *line)
		want Counts
	}{
		"after a checkpoint": {
			func(l *line) { l.Checkpoint() },
			Counts{Received: 3, Counted: 2, Refused: map[message.Reason]uint64{message.NotJSON: 1}, Closed: 1, Incomplete: 1},
		},
		"after a window closed": {
			func(l *line) { l.at(1010, l.Advance) },
			Counts{Received: 3, Counted: 2, Refused: map[message.Reason]uint64{message.NotJSON: 1}, Closed: 2, Incomplete: 1},
		},
		"with nothing new saved": {
			func(*line) {},
			Counts{Received: 1, Counted: 1, Refused: map[message.Reason]uint64{}, Closed: 1, Incomplete: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l := newLine(t, dir, cfg)
			l.at(1001, l.Heard)
			l.send(1002, `{"color":"red","value":1}`)
			l.at(1005, l.Advance)
			l.send(1006, `{"color":"red","value":2}`, `nonsense`)
			c.die(l)
			l.finish() // all that was handed on is stored

			l = newLine(t, dir, cfg)
			got := l.store.Recovered()
			if diff := cmp.Diff(c.want, got, cmpopts.IgnoreFields(Counts{}, "Newest"), cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("recovered: -want +got\n%s", diff)
			}
			l.Resume(got)
			l.at(1011, l.Heard)
			l.send(1012, `{"color":"red","value":3,"ts":1013500}`)
			all := l.Counts()
			if all.Received != c.want.Received+1 || all.Counted != c.want.Counted+1 {
				t.Errorf("after one message more: %+v", all)
			}
			if all.Ahead != 1500*time.Millisecond || all.AheadAt.Unix() != 1012 {
				t.Errorf("its clock is ahead by %v at %v", all.Ahead, all.AheadAt)
			}
			if run := all.Since(got); run.Received != 1 || run.Counted != 1 || run.RefusedTotal() != 0 || run.Closed != 0 {
				t.Errorf("of this run: %+v", run)
			}
			l.finish()
		})
	}
}

// A file of before there were counts is read as one without.
func TestOldOpenWindows(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	content, err := checkpoint.Encode(&window.State{Now: 5 * second, Closed: []window.Interval{{Start: 1, End: 2}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkpoint.Write(dir, openFile, content); err != nil {
		t.Fatal(err)
	}
	var read openFileContent
	if _, err := checkpoint.Read(dir, openFile, &read); err != nil {
		t.Fatal(err)
	}
	state, counts := read.opened()
	if state.Now != 5*second || len(state.Closed) != 1 || counts.Received != 0 {
		t.Errorf("%+v, %+v", state, counts)
	}
}

// What was shown and not saved is lost with a worker that is killed, and counted as that: no count becomes smaller.
func TestShownCountsDoNotFallBehind(t *testing.T) {
	dir := t.TempDir()
	cfg := window.Config{Width: 5 * time.Second}
	l := newLine(t, dir, cfg)
	l.at(1001, l.Heard)
	l.send(1002, `{"color":"red","value":1}`)
	l.Checkpoint()
	l.send(1003, `{"color":"red","value":2}`, `nonsense`)
	if err := l.store.Shown(l.Counts()); err != nil {
		t.Fatal(err)
	}
	l.send(1004, `{"color":"red","value":3}`) // nobody ever knows of it
	l.finish()

	want := Counts{Received: 3, Counted: 2, Forgotten: 1, Refused: map[message.Reason]uint64{message.NotJSON: 1}}
	for range 3 { // the later runs die before they have received anything
		l = newLine(t, dir, cfg)
		got := l.store.Recovered()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Counts{}, "Newest")); diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
		l.Resume(got)
		if err := l.store.Shown(l.Counts()); err != nil {
			t.Fatal(err)
		}
		l.finish()
	}
	l = newLine(t, dir, cfg)
	l.Resume(l.store.Recovered())
	if err := l.store.Shown(l.Counts()); err != nil {
		t.Fatal(err)
	}
	l.at(1005, l.Heard)
	l.send(1006, `{"color":"red","value":4}`)
	l.Checkpoint()
	l.finish()
	got := newLine(t, dir, cfg).store.Recovered()
	if got.Received != 4 || got.Counted != 3 || got.Forgotten != 1 {
		t.Errorf("after all that: %+v", got)
	}
}
