package source

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/message"
)

// The order is that of a stable sort, whatever of it is on disk.
func TestSorter(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	var records []Record
	for i := range 1000 {
		m := message.Message{
			Color: []string{"red", "blue", ""}[random.IntN(3)], Name: "n",
			Value: random.NormFloat64(),
		}
		if random.IntN(5) > 0 {
			m.Time = time.Unix(int64(random.IntN(100)-50), int64(random.IntN(2))).UTC()
		}
		records = append(records, Record{Message: m, Line: i + 1})
	}
	type timed struct {
		Record
		at time.Time
	}
	var behind []timed // those without a time stay behind the one before
	var last time.Time
	for _, r := range records {
		if !r.Time.IsZero() {
			last = r.Time
		}
		behind = append(behind, timed{r, last})
	}
	slices.SortStableFunc(behind, func(a, b timed) int { return a.at.Compare(b.at) })
	var want []Record
	for _, b := range behind {
		want = append(want, b.Record)
	}
	dir := t.TempDir()
	for _, limit := range []int{1, 7, 100, 999, 1000, 5000} {
		s := NewSorter(limit, dir)
		for _, r := range records {
			if err := s.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			var got []Record
			for r, err := range s.All() {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, r)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("limit %d: -want +got\n%s", limit, diff)
			}
		}
		if s.Len() != 1000 || (s.runs == 0) != (limit >= 1000) {
			t.Errorf("limit %d: %d records, %d runs", limit, s.Len(), s.runs)
		}
		if files, err := filepath.Glob(dir + "/*"); err != nil || len(files) > 0 {
			t.Errorf("files have names: %v, %v", files, err)
		}
		for range s.All() {
			break // ends early
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSorterFails(t *testing.T) {
	t.Parallel()
	s := NewSorter(1, filepath.Join(t.TempDir(), "absent"))
	if err := errors.Join(s.Add(Record{}), s.Add(Record{})); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with a folder that is absent: %v", err)
	}
	s = NewSorter(1, t.TempDir())
	if err := errors.Join(s.Add(Record{}), s.Add(Record{}), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, err := range s.All() {
		if !errors.Is(err, os.ErrClosed) {
			t.Errorf("a file that cannot be read: %v", err)
		}
	}
}

// A file out of order is sorted, its rejected rows first.
func TestOpenOrdered(t *testing.T) {
	t.Parallel()
	const text = "color,value,ts\nred,2,1760000002\nred,x,1760000000\nred,1,1760000001\nred,3,\n"
	path := write(t, "a.csv", text)
	in, rows, err := OpenOrdered(t.Context(), path, nil, Options{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	want := []string{
		`3 value_type: value "x" is not a number`,
		`4: {"color":"red","name":"","value":1,"ts":1760000001000}`,
		`5: {"color":"red","name":"","value":3}`,
		`2: {"color":"red","name":"","value":2,"ts":1760000002000}`,
	}
	if diff := cmp.Diff(want, drain(rows)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	const disorder = "line 4: time 2025-10-09T08:53:21Z is before 2025-10-09T08:53:22Z of line 2"
	piped := func(disorder time.Duration) string {
		_, rows, err := OpenOrdered(t.Context(), Stdin, strings.NewReader(text), Options{}, disorder)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(drain(rows), "\n")
	}
	if got := piped(time.Second); strings.Contains(got, "end:") {
		t.Errorf("standard input with as much disorder as is allowed: %s", got)
	}
	if got := piped(0); !strings.Contains(got, "end: standard input: "+disorder) {
		t.Errorf("standard input out of order: %s", got)
	}
}
