package spool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// Every call to the file system fails once, or from some call on, or fails although it was done. Whatever was
// accepted is delivered all the same, after the fault or after a restart.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, op := range []string{
		"mkdir", "lock", "readdir", "open", "stat", "read", "write", "fsync", "truncate", "rename", "remove", "syncdir",
	} {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			cases, opened := 0, 0
			for _, mode := range []faultMode{fails, failsButIsDone, failsHalfDone} {
				if mode == failsHalfDone && op != "write" {
					continue
				}
				for _, forever := range []bool{false, true} {
					for k := 0; ; k++ {
						name := fmt.Sprintf("call %d, mode %d, forever %v", k, mode, forever)
						hit, ok := faultCase(t, name, op, mode, k, forever)
						if !hit {
							break // there are only k calls
						}
						cases++
						if ok {
							opened++
						}
					}
				}
			}
			t.Logf("%s: %d cases, opened in %d", op, cases, opened)
			if cases == 0 || opened == 0 && !slices.Contains([]string{"mkdir", "lock", "readdir"}, op) {
				t.Errorf("%d cases, opened in %d", cases, opened)
			}
		})
	}
}

// faultCase runs one history, in which the k-th call of op fails, over two lives of the process and a third one
// without faults. It tells whether there was a k-th call, and whether the spool could be opened each time.
func faultCase(t *testing.T, name, op string, mode faultMode, k int, forever bool) (hit, opened bool) {
	fsys := newMemFS()
	calls := 0
	fsys.fault = func(o, _ string) faultMode {
		if o == "half" {
			return mode
		}
		if o == "write" && op == "truncate" && rand.IntN(4) == 0 {
			return fails
		}
		if o != op {
			return works
		}
		calls++
		if calls-1 == k || forever && calls-1 > k {
			hit = true
			return mode
		}
		return works
	}
	h := &history{}
	opened = true
	for life := range 2 {
		s, err := Open(testLog(t), fsys, Config{Dir: ".", SegmentBytes: 300})
		if err != nil {
			opened = false
			if !strings.Contains(err.Error(), "WORKER_SPOOL_DIR") {
				t.Fatalf("%s: the error does not name WORKER_SPOOL_DIR: %v", name, err)
			}
			continue
		}
		got, _ := take(t, ignoreErrors{s})
		s.Rewind()
		unreadable := forever && (op == "read" || op == "open" || op == "stat")
		if life > 0 && !unreadable {
			if err := h.check(got); err != nil {
				t.Fatalf("%s: second life: %v\n%v", name, err, got)
			}
		}
		for n := range 25 {
			h.tried = h.acked + 1
			err := s.Append([]byte(h.data(h.tried)))
			if err != nil {
				if _, ok := errors.AsType[*AppendError](err); !ok {
					t.Fatalf("%s: not an AppendError: %v", name, err)
				}
				err = s.Append([]byte(h.data(h.tried)))
			}
			if err == nil {
				h.acked = h.tried
			} else if !forever && op != "truncate" {
				t.Fatalf("%s: the second try failed too: %v", name, err)
			}
			if n%5 == 4 {
				if rec, ok, err := s.TryNext(); ok && err == nil {
					s.Done(rec.ID)
					h.done = max(h.done, number(string(rec.Data)))
				}
			}
		}
		s.Close()
		fsys.locked = false // the process is gone
	}
	fsys.fault = nil
	fsys.locked = false
	s := openFS(t, fsys, ".")
	got, _ := take(t, s)
	if err := h.check(got); err != nil {
		t.Fatalf("%s: %v\n%v", name, err, got)
	}
	if st := s.Stats(); st.Damaged != 0 && mode != failsHalfDone {
		t.Errorf("%s: damage: %+v", name, st)
	}
	add(t, s, h.data(h.acked+1))
	s.Close()
	return hit, opened
}

// Faults at random, several at a time, with crashes between.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 2))
		fsys := newMemFS()
		h := &history{}
		for range 6 {
			calls := 20 + rng.IntN(200)
			fsys.fault = func(op, _ string) faultMode {
				if calls--; calls < 0 {
					fsys.dead = true
				}
				switch op {
				case "mkdir", "lock", "readdir", "read", "open", "stat": // may keep it from opening or reading: see above
					return works
				}
				if rng.IntN(6) == 0 {
					return faultMode(1 + rng.IntN(3))
				}
				return works
			}
			if s, err := Open(testLog(t), fsys, Config{Dir: ".", SegmentBytes: 300}); err == nil {
				got, _ := take(t, ignoreErrors{s})
				if err := h.check(got); err != nil && !fsys.dead {
					t.Fatalf("seed %d: %v\n%v", seed, err, got)
				}
				s.Rewind()
				use(rng, s, h, func() bool { return fsys.dead })
				s.Close()
			}
			fsys.fault = nil
			fsys.mu.Lock()
			fsys.dead, fsys.locked = false, false // the process was killed; the machine goes on
			fsys.mu.Unlock()
		}
		s := openFS(t, fsys, ".")
		got, _ := take(t, s)
		if err := h.check(got); err != nil {
			t.Fatalf("seed %d: %v\n%v", seed, err, got)
		}
	}
}

func TestAppendErrorsAreClassified(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]Class{
		syscall.ENOSPC: Full, syscall.EDQUOT: Full, syscall.EROFS: ReadOnly, os.ErrPermission: ReadOnly, syscall.EIO: Failed,
	} {
		if got := classOf(&os.PathError{Err: err}); got != want {
			t.Errorf("%v is %s, want %s", err, got, want)
		}
	}
	s := open(t, t.TempDir(), func(c *Config) { c.MaxBytes = 1000 })
	add(t, s, "kept")
	err := s.Append(make([]byte, 1001))
	if e, ok := errors.AsType[*AppendError](err); !ok || e.Class != TooLarge {
		t.Errorf("1001 bytes with room for 1000: %v", err)
	}
	if err := s.Append(nil); err == nil {
		t.Error("an empty record was accepted")
	}
	wantRecords(t, s, "kept")
}

// A full disk loses nothing, and takes records again once others are done, though they were all in one segment.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	fsys := newMemFS()
	fsys.room = 2000
	s := openFS(t, fsys, ".")
	var want []string
	var err error
	for err == nil {
		record := fmt.Sprintf("%0100d", len(want))
		if err = s.Append([]byte(record)); err == nil {
			want = append(want, record)
		}
	}
	if e, ok := errors.AsType[*AppendError](err); !ok || e.Class != Full || !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("got %v", err)
	}
	if err := s.Append([]byte(strings.Repeat("x", 100))); err == nil {
		t.Error("a full disk took a record")
	}
	ids := wantRecords(t, s, want...)
	s.Done(ids[len(ids)-1])
	wantRecords(t, s) // a reader looks for more, as Next does when it is woken
	add(t, s, "again")
	wantRecords(t, s, "again")
	s.Close()
	s = openFS(t, fsys, ".")
	wantRecords(t, s, "again")
}

// A place that stays unreadable does not stop the rest, and is kept.
func TestUnreadableSegmentIsSkippedAndKept(t *testing.T) {
	t.Parallel()
	fsys := newMemFS()
	s := openFS(t, fsys, ".", small)
	records := numbered(12)
	add(t, s, records...)
	bad := segmentName(2, stateSealed)
	fsys.fault = func(op, name string) faultMode {
		if op == "read" && name == bad {
			return fails
		}
		return works
	}
	var got []string
	var last ID
	errs := 0
	for {
		rec, ok, err := s.TryNext()
		if err != nil {
			errs++
			continue
		}
		if !ok {
			break
		}
		got, last = append(got, string(rec.Data)), rec.ID
	}
	if errs != maxFailures-1 {
		t.Errorf("%d errors before the segment was given up", errs)
	}
	if len(got) >= len(records) || got[0] != records[0] || got[len(got)-1] != records[11] {
		t.Errorf("got %v", got)
	}
	s.Done(last)
	if st := s.Stats(); st.Damaged != 1 || st.Aside != 1 || st.Records != 0 {
		t.Errorf("stats: %+v", st)
	}
	if fsys.names[segmentName(2, stateDamaged)] == nil {
		t.Errorf("the segment was not kept: %v", fsys.names)
	}
}

func TestFolders(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	open(t, dir)
	_, err := Open(testLog(t), OS{}, Config{Dir: dir})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), "another worker") || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder in use: %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err = Open(testLog(t), OS{}, Config{Dir: file}); err == nil || !strings.Contains(err.Error(), "WORKER_SPOOL_DIR") {
		t.Errorf("a file instead of a folder: %v", err)
	}
	fsys := newMemFS()
	fsys.fault = func(op, name string) faultMode {
		if op == "open" && name == probeName {
			return fails
		}
		return works
	}
	if _, err = Open(testLog(t), fsys, Config{Dir: "."}); err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("an unwritable folder: %v", err)
	}
	fsys.fault = nil
	openFS(t, fsys, ".") // the lock was let go
}
