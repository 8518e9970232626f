package spool

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A process may be killed while it writes: cut at any byte, a segment gives every record before the cut.
func TestCutAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	records := numbered(6)
	name := filepath.Join(dir, segmentName(1, stateOpen))
	ends := []int64{firstRecord}
	for _, r := range records {
		add(t, s, r)
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, info.Size())
	}
	s.Close()
	whole, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for cut := range len(whole) + 1 {
		fsys := newMemFS()
		node := &memNode{data: whole[:cut]}
		fsys.names[segmentName(1, stateOpen)] = node
		s := openFS(t, fsys, ".")
		n := 0
		for n < len(records) && ends[n+1] <= int64(cut) {
			n++
		}
		wantRecords(t, s, records[:n]...)
		if st := s.Stats(); st.Damaged != 0 || st.CutBytes != max(0, int64(cut)-ends[n]) {
			t.Fatalf("cut at %d: %+v", cut, st)
		}
		add(t, s, "after")
		wantRecords(t, s, "after")
		s.Close()
		// Nothing of the torn record comes back.
		s = openFS(t, fsys, ".")
		wantRecords(t, s, append(slices.Clone(records[:n]), "after")...)
		s.Close()
	}
}

// history is what a spool's user did: records are the numbers from 1 on.
type history struct {
	tried, acked, done int
}

func (h *history) data(n int) string {
	return fmt.Sprintf("%d %s", n, strings.Repeat("z", n*37%90))
}

func number(data string) (n int) {
	fmt.Sscan(data, &n)
	return n
}

// check tells what is wrong with the records that were delivered after a restart: they must be an unbroken run to
// the last accepted one, and begin no later than behind the last that is done. A record whose append failed may be
// there, also twice.
func (h *history) check(delivered []string) error {
	last := 0
	for _, d := range delivered {
		n := number(d)
		switch {
		case d != h.data(n) || n > h.tried:
			return fmt.Errorf("%.20q was never appended", d)
		case last == 0 && n > h.done+1:
			return fmt.Errorf("the first is %d, and %d is the last that is done", n, h.done)
		case last > 0 && n != last && n != last+1:
			return fmt.Errorf("%d comes after %d", n, last)
		}
		last = n
	}
	if last < h.acked && h.done < h.acked {
		return fmt.Errorf("the last is %d, and %d was accepted", last, h.acked)
	}
	return nil
}

// The power fails at any call to the file system, and what was not fsynced is there in part.
func TestPowerFailure(t *testing.T) {
	t.Parallel()
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		fsys := newMemFS()
		h := &history{}
		for range 8 {
			calls := rng.IntN(150)
			fsys.fault = func(string, string) faultMode {
				if calls--; calls < 0 {
					fsys.dead = true
				}
				return works
			}
			s, err := Open(testLog(t), fsys, Config{Dir: ".", SegmentBytes: 300})
			if err == nil {
				got, _ := take(t, ignoreErrors{s})
				if err := h.check(got); err != nil && !fsys.dead {
					t.Fatalf("seed %d: %v\n%v", seed, err, got)
				}
				s.Rewind()
				use(rng, s, h, func() bool { return fsys.dead })
				s.Close()
			}
			fsys.fault = nil
			fsys = fsys.crash(rng)
		}
		s := openFS(t, fsys, ".")
		got, _ := take(t, s)
		if err := h.check(got); err != nil {
			t.Fatalf("seed %d: %v\n%v", seed, err, got)
		}
	}
}

// use appends and reads until the end.
func use(rng *rand.Rand, s *Spool, h *history, end func() bool) {
	var last ID
	var lastNumber int
	for !end() {
		if rng.IntN(3) > 0 {
			h.tried = h.acked + 1
			if s.Append([]byte(h.data(h.tried))) == nil {
				h.acked = h.tried
			}
			continue
		}
		rec, ok, err := s.TryNext()
		if ok && err == nil {
			last, lastNumber = rec.ID, number(string(rec.Data))
			if rng.IntN(2) == 0 {
				s.Done(last)
				h.done = max(h.done, lastNumber)
			}
		}
	}
}

// ignoreErrors reads as far as it goes.
type ignoreErrors struct{ *Spool }

func (s ignoreErrors) TryNext() (rec Record, ok bool, err error) {
	for range maxFailures - 1 {
		if rec, ok, err = s.Spool.TryNext(); err == nil {
			return rec, ok, nil
		}
	}
	return Record{}, false, nil
}
