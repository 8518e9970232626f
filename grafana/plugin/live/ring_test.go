package live

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type tick int64

func (t tick) When() int64 { return int64(t) * int64(time.Second) }

func TestReadersOfARingMissNothingThatIsKept(t *testing.T) {
	t.Parallel()
	r := newRing[tick](5)
	if rows, next, _ := r.After(0); len(rows) != 0 || next != 0 {
		t.Errorf("empty: %v %d", rows, next)
	}
	_, position, changed := r.After(0)
	r.add(1, 2, 3)
	select {
	case <-changed:
	default:
		t.Error("a reader was not told")
	}
	rows, position, _ := r.After(position)
	if diff := cmp.Diff([]tick{1, 2, 3}, rows); diff != "" {
		t.Error(diff)
	}
	r.add(4)
	rows, position, changed = r.After(position)
	if diff := cmp.Diff([]tick{4}, rows); diff != "" {
		t.Error(diff)
	}
	select {
	case <-changed:
		t.Error("a reader was told of nothing")
	default:
	}
	r.add(5, 6, 7, 8, 9, 10) // one more than are kept
	rows, _, _ = r.After(position)
	if diff := cmp.Diff([]tick{6, 7, 8, 9, 10}, rows); diff != "" {
		t.Error(diff)
	}
	rows, _ = r.Since(time.Unix(9, 0))
	if diff := cmp.Diff([]tick{9, 10}, rows); diff != "" {
		t.Error(diff)
	}
}

func TestARingForgetsByAgeAndKeepsItsMemorySmall(t *testing.T) {
	t.Parallel()
	r := newRing[tick](1000)
	for i := range 100_000 {
		r.add(tick(i))
	}
	rows, next, _ := r.After(0)
	if want := int(Memory/time.Second) + 1; len(rows) != want ||
		next != 100_000 || rows[0] != tick(100_000-want) {
		t.Errorf("%d rows from %d, position %d; want %d", len(rows), rows[0], next, want)
	}
	if cap(r.rows) > 4096 {
		t.Errorf("room for %d rows", cap(r.rows))
	}
	r.clear()
	if rows, _, _ := r.After(0); len(rows) != 0 {
		t.Errorf("%d rows after all was cleared", len(rows))
	}
	r.add(100_000)
	if rows, _, _ := r.After(next); len(rows) != 1 {
		t.Errorf("a reader from before gets %d rows, want 1", len(rows))
	}
}
