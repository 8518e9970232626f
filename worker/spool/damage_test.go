package spool

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// damaged makes a folder with records in one sealed segment, changes the file, and opens it.
func damaged(t *testing.T, records []string, change func(content []byte, offsets []int) []byte) (*Spool, string) {
	t.Helper()
	content := []byte(segmentMagic)
	var offsets []int
	for _, r := range records {
		offsets = append(offsets, len(content))
		content = appendRecord(content, int64(len(content)), time.Unix(5, 0), []byte(r))
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, segmentName(7, stateSealed)), change(content, offsets), 0o600); err != nil {
		t.Fatal(err)
	}
	return open(t, dir), dir
}

// Any one byte that is wrong costs no more than the record that it is in, and the file is kept.
func TestEveryDamagedByte(t *testing.T) {
	t.Parallel()
	records := []string{"first record", "second", strings.Repeat("third", 20), "fourth"}
	for at := 0; ; at++ {
		end := false
		hurt := -1
		s, dir := damaged(t, records, func(content []byte, offsets []int) []byte {
			if end = at == len(content); end {
				return content
			}
			content[at] ^= 0x55
			for i, o := range offsets {
				if at >= o {
					hurt = i
				}
			}
			return content
		})
		want, wantDamaged := slices.Clone(records), int64(0)
		if hurt >= 0 {
			want, wantDamaged = slices.Delete(want, hurt, hurt+1), 1
		}
		ids := wantRecords(t, s, want...)
		if st := s.Stats(); st.Damaged != wantDamaged || st.Records != int64(len(want)) {
			t.Fatalf("byte %d: %+v", at, st)
		}
		s.Rewind()
		wantRecords(t, s, want...)
		if st := s.Stats(); st.Damaged != wantDamaged {
			t.Fatalf("byte %d: counted again: %+v", at, st)
		}
		s.Done(ids[len(ids)-1])
		st := s.Stats()
		if kept := st.Aside == 1 && st.AsideBytes > 0; kept != !end || st.Records != 0 {
			t.Fatalf("byte %d: the file is kept: %v: %+v", at, kept, st)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if end {
			wantFiles(t, dir, "cursor", "lock")
			return
		}
		wantFiles(t, dir, segmentName(7, stateDamaged), "cursor", "lock")
		s = open(t, dir)
		wantRecords(t, s)
		if s.Stats().Aside != 1 {
			t.Fatal("the file kept aside was forgotten")
		}
		s.Close()
	}
}

// Bytes that look like a record inside a record's data are not taken for one.
func TestRecordInsideARecord(t *testing.T) {
	t.Parallel()
	inner := appendRecord(nil, 0, time.Unix(6, 0), []byte("inner"))
	s, _ := damaged(t, []string{"first", "x" + string(inner), "last"}, func(content []byte, offsets []int) []byte {
		content[offsets[1]+5] ^= 1 // its length
		return content
	})
	wantRecords(t, s, "first", "last")
}

func TestOpensWhateverIsThere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign := map[string]string{
		"notes.txt": "mine", "checkpoint": "the worker's", "1.open": "x", "0000000000000000.open": "x",
		"9999999999999999.sealed": "too large a number", "0000000000000001.closed": "x", "0000000000000001.openx": "x",
	}
	for name, content := range foreign {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good := appendRecord([]byte(segmentMagic), firstRecord, time.Unix(5, 0), []byte("good"))
	again := appendRecord([]byte(segmentMagic), firstRecord, time.Unix(5, 0), []byte("same number"))
	ours := map[string][]byte{
		"cursor":                  []byte("garbage"),
		"0000000000000002.sealed": nil,
		"0000000000000003.open":   nil,
		"0000000000000004.open":   []byte("CSS"),
		"0000000000000005.sealed": bytes.Repeat([]byte("garbage"), 1000),
		"0000000000000006.open":   bytes.Repeat([]byte("garbage"), 1000),
		"0000000000000007.sealed": good,
		"0000000000000007.open":   again,
		"0000000000000008.open":   make([]byte, 5000),
		"0000000000000010.open":   append([]byte("XXXXXXXX"), good[8:]...),
	}
	for name, content := range ours {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"0000000000000009.sealed", "0000000000000011.open"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("notes.txt", filepath.Join(dir, "0000000000000012.sealed")); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	wantRecords(t, s, "good", "good", "same number")
	add(t, s, "new")
	s.Done(wantRecords(t, s, "new")[0])
	s.Close()
	for name, content := range foreign {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != content {
			t.Errorf("%s was touched: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"0000000000000005.damaged", "0000000000000006.damaged", "0000000000000009.sealed"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"0000000000000003.open", "0000000000000004.open", "0000000000000008.open"} {
		if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
}

func TestFullSpoolDropsTheOldest(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	dir := t.TempDir()
	s := open(t, dir, func(c *Config) {
		c.MaxBytes, c.SegmentBytes = 10_000, 1000
		c.Now = func() time.Time { return now }
	})
	add(t, s, "first")
	first, _, err := s.TryNext()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		now = now.Add(time.Second)
		add(t, s, strings.Repeat("y", 80+i%40))
		if st := s.Stats(); st.Bytes > 10_000 {
			t.Fatalf("after %d records: %+v", i, st)
		}
	}
	st := s.Stats()
	if st.Records < 50 || st.Records+st.Dropped != 1000 { // the first one is with the reader
		t.Errorf("stats: %+v", st)
	}
	s.Done(first.ID)
	got, ids := take(t, s)
	if int64(len(got)) != st.Records || s.Stats().Oldest.Before(st.Oldest) {
		t.Errorf("%d records came, the figures were %+v, are %+v", len(got), st, s.Stats())
	}
	// What the reader had when it was dropped counts as dropped only if it wants it again.
	for range 200 {
		add(t, s, strings.Repeat("y", 100))
	}
	before := s.Stats().Dropped
	s.Rewind()
	if after := s.Stats().Dropped; after != before+int64(len(ids)) {
		t.Errorf("dropped %d, then %d; the reader had %d", before, after, len(ids))
	}
	s.Close()
	s = open(t, dir, func(c *Config) { c.MaxBytes = 2000 }) // a smaller cap later
	if st := s.Stats(); st.Bytes > 2000 || st.Dropped == 0 {
		t.Errorf("with a smaller cap: %+v", st)
	}
}

// A large backlog is not loaded into memory.
func TestMemoryDoesNotGrowWithTheBacklog(t *testing.T) {
	dir := t.TempDir()
	content := []byte(segmentMagic)
	record := bytes.Repeat([]byte("z"), 10_000)
	for range 3000 {
		content = appendRecord(content, int64(len(content)), time.Unix(1, 0), record)
	}
	for i := range 4 {
		if err := os.WriteFile(filepath.Join(dir, segmentName(uint64(i+1), stateSealed)), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	content = nil
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	s := open(t, dir)
	most := heap()
	for i := range 12_000 {
		rec, ok, err := s.TryNext()
		if err != nil || !ok {
			t.Fatal(i, ok, err)
		}
		if i%100 == 99 {
			s.Done(rec.ID)
		}
		if i%1000 == 0 {
			most = max(most, heap())
		}
	}
	if grown := int64(most) - int64(before); grown > 1<<20 {
		t.Errorf("the heap grew by %d bytes for a backlog of 120 MB", grown)
	}
}

func TestInspect(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, small)
	records := numbered(12)
	add(t, s, records...)
	_, ids := take(t, s)
	s.Done(ids[4])
	inspect := func() ([]Listing, []string) {
		var got []string
		list, err := Inspect(OS{}, dir, func(_ string, rec Record) error {
			got = append(got, string(rec.Data))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list, got
	}
	list, got := inspect()
	if diff := cmp.Diff(records[5:], got); diff != "" {
		t.Errorf("waiting (-want +got):\n%s", diff)
	}
	waiting := 0
	for _, l := range list {
		waiting += l.Waiting
		if l.Damage != nil || l.Torn != 0 || l.Waiting > 0 && (l.Oldest.IsZero() || l.Newest.Before(l.Oldest)) {
			t.Errorf("%+v", l)
		}
	}
	if last := list[len(list)-1]; waiting != 7 || last.State != stateOpen {
		t.Errorf("%d waiting, %+v", waiting, list)
	}
	// A torn end is not damage, a wrong byte is.
	write := func(name string, off int64, b []byte) {
		f, err := OS{}.OpenFile(filepath.Join(dir, name), os.O_RDWR)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, off); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	last := list[len(list)-1]
	write(last.File, last.Bytes, appendRecord(nil, last.Bytes, time.Unix(1, 0), []byte("not complete"))[:30])
	first := list[len(list)-2]
	write(first.File, 40, []byte{0xff})
	list, _ = inspect()
	if l := list[len(list)-1]; l.Torn != 30 || l.Damage != nil {
		t.Errorf("a torn end: %+v", l)
	}
	if l := list[len(list)-2]; len(l.Damage) != 1 || l.Damage[0].Offset != firstRecord {
		t.Errorf("a wrong byte: %+v", l)
	}
	if _, err := Inspect(OS{}, filepath.Join(dir, "none"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

// Whatever bytes a segment has, the spool opens, ends, and goes on; records before the garbage are there.
func FuzzSegment(f *testing.F) {
	good := appendRecord([]byte(segmentMagic), firstRecord, time.Unix(5, 0), []byte("good"))
	f.Add([]byte{}, true, encodeCursor(ID{1, 9}))
	f.Add(good, true, []byte{})
	f.Add(good[:20], false, encodeCursor(ID{1, firstRecord}))
	f.Add(bytes.Replace(good, []byte("good"), []byte("evil"), 1), false, encodeCursor(ID{1, math.MaxInt64}))
	f.Add(append(slices.Clone(good), recordMagic+"\x00\x00\x00\x04xxxxxxxxxxxxxxxxxxxxxx"...), true, encodeCursor(ID{3, 0}))
	f.Fuzz(func(t *testing.T, content []byte, isOpen bool, cursor []byte) {
		state := stateSealed
		if isOpen {
			state = stateOpen
		}
		for _, before := range []bool{false, true} {
			fsys := newMemFS()
			if before { // a good record first
				content = append(slices.Clone(good), content...)
				cursor = nil
			}
			fsys.names[segmentName(1, state)] = &memNode{data: content}
			fsys.names[cursorName] = &memNode{data: cursor}
			if _, err := Inspect(fsys, ".", nil); err != nil {
				t.Fatal(err)
			}
			s := openFS(t, fsys, ".")
			got, _ := take(t, s)
			if before && (len(got) == 0 || got[0] != "good") {
				t.Fatalf("the record before the garbage did not come: %q", got)
			}
			add(t, s, "after")
			ids := wantRecords(t, s, "after")
			s.Rewind()
			wantRecords(t, s, append(got, "after")...)
			s.Done(ids[0])
			if st := s.Stats(); st.Records != 0 {
				t.Fatalf("%+v", st)
			}
			s.Close()
			s = openFS(t, fsys, ".")
			wantRecords(t, s)
			s.Close()
		}
	})
}
