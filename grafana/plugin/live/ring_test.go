package live

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// at makes rows of instants in seconds.
func at(seconds ...int64) (rows []Row) {
	for _, s := range seconds {
		rows = append(rows, Row{At: s * second})
	}
	return rows
}

func TestReadersOfARingMissNothingThatIsKept(t *testing.T) {
	t.Parallel()
	r := newRing(5)
	want := func(position uint64, since int64, rows []Row) (next uint64, changed <-chan struct{}) {
		t.Helper()
		got, next, changed := r.After(position, since)
		if diff := cmp.Diff(rows, got); diff != "" {
			t.Error(diff)
		}
		return next, changed
	}
	told := func(changed <-chan struct{}) bool {
		select {
		case <-changed:
			return true
		default:
			return false
		}
	}
	position, changed := want(0, 0, nil)
	r.add(at(1, 2, 3)...)
	if !told(changed) {
		t.Error("a reader was not told")
	}
	position, _ = want(position, 0, at(1, 2, 3))
	r.add(at(4)...)
	position, changed = want(position, 0, at(4))
	if told(changed) {
		t.Error("a reader was told of nothing")
	}
	r.add(at(5, 6, 7, 8, 9, 10)...) // one more than are kept
	want(position, 0, at(6, 7, 8, 9, 10))
	want(0, 9*second, at(9, 10))
	want(0, 11*second, nil)
}

func TestARingForgetsByAgeAndKeepsItsMemorySmall(t *testing.T) {
	t.Parallel()
	r := newRing(1000)
	for i := range int64(100_000) {
		r.add(at(i)...)
	}
	rows, next, _ := r.After(0, 0)
	if want := int(Memory/time.Second) + 1; len(rows) != want ||
		next != 100_000 || rows[0].At != int64(100_000-want)*second {
		t.Errorf("%d rows from %d, position %d; want %d", len(rows), rows[0].At, next, want)
	}
	if cap(r.rows) > 4096 {
		t.Errorf("room for %d rows", cap(r.rows))
	}
}
