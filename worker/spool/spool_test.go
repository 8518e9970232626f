package spool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func open(t testing.TB, dir string, change ...func(*Config)) *Spool {
	t.Helper()
	return openFS(t, OS{}, dir, change...)
}

func openFS(t testing.TB, fsys FS, dir string, change ...func(*Config)) *Spool {
	t.Helper()
	config := Config{Dir: dir}
	for _, c := range change {
		c(&config)
	}
	s, err := Open(testLog(t), fsys, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func small(c *Config) { c.SegmentBytes = 200 }

func add(t testing.TB, s *Spool, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatalf("append %.20q: %v", r, err)
		}
	}
}

// take returns all records that can be had now.
func take(t testing.TB, s interface{ TryNext() (Record, bool, error) }) (data []string, ids []ID) {
	t.Helper()
	for {
		rec, ok, err := s.TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return data, ids
		}
		data, ids = append(data, string(rec.Data)), append(ids, rec.ID)
	}
}

func wantRecords(t testing.TB, s *Spool, want ...string) []ID {
	t.Helper()
	got, ids := take(t, s)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("records (-want +got):\n%s", diff)
	}
	return ids
}

func wantFiles(t testing.TB, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("files (-want +got):\n%s", diff)
	}
}

func numbered(n int) []string {
	var records []string
	for i := range n {
		records = append(records, fmt.Sprintf("record %d %s", i, strings.Repeat("x", i%50)))
	}
	return records
}

func TestRecordsComeInOrderAndGoWhenDone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small)
	records := numbered(20)
	add(t, s, records...)
	if st := s.Stats(); st.Records != 20 || st.Segments < 4 || st.Oldest.IsZero() || st.Appended != 20 {
		t.Errorf("stats: %+v", st)
	}
	ids := wantRecords(t, s, records...)
	wantRecords(t, s)
	s.Done(ids[9])
	if st := s.Stats(); st.Records != 10 {
		t.Errorf("%d records after 10 of 20 are done", st.Records)
	}
	s.Rewind()
	ids = wantRecords(t, s, records[10:]...)
	s.Done(ids[9])
	if st := s.Stats(); st.Records != 0 || !st.Oldest.IsZero() || st.Segments > 1 {
		t.Errorf("stats when all are done: %+v", st)
	}
	add(t, s, "one more")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small)
	ids = wantRecords(t, s, "one more")
	s.Done(ids[0])
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, small)
	wantRecords(t, s)
	wantFiles(t, dir, "cursor", "lock")
}

func TestReopenDeliversWhatIsNotDone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small)
	records := numbered(30)
	add(t, s, records...)
	_, ids := take(t, s)
	s.Done(ids[16])
	before := s.Stats()
	s.Close()
	s = open(t, dir, small)
	if st := s.Stats(); st.Records != before.Records {
		t.Errorf("%d records after reopening, %d before", st.Records, before.Records)
	}
	wantRecords(t, s, records[17:]...)
}

func TestNextWaits(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir())
	got := make(chan Record)
	go func() {
		defer close(got)
		for {
			rec, err := s.Next(t.Context())
			if err != nil {
				if !errors.Is(err, ErrClosed) {
					t.Error(err)
				}
				return
			}
			got <- rec
		}
	}()
	for i := range 3 {
		want := fmt.Sprint("record ", i)
		add(t, s, want)
		if rec := <-got; string(rec.Data) != want || time.Since(rec.AppendedAt) > time.Minute {
			t.Errorf("got %q of %v, want %q of now", rec.Data, rec.AppendedAt, want)
		}
	}
	s.Close()
	if rec, more := <-got; more {
		t.Errorf("got %v after Close", rec)
	}
	if err := s.Append([]byte("x")); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close: %v", err)
	}

	s = open(t, t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := s.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Next of an empty spool: %v", err)
	}
}

// The example in the package's documentation.
func TestFormat(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, func(c *Config) { c.Now = func() time.Time { return time.Unix(1, 0) } })
	add(t, s, "a")
	content, err := os.ReadFile(filepath.Join(dir, "0000000000000001.open"))
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{content[:8], content[8:]} {
		if line := fmt.Sprintf("//\t% x\n", part); !bytes.Contains(doc, []byte(line)) {
			t.Errorf("doc.go does not have the line\n%s", line)
		}
	}
}
