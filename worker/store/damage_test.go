package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// fill commits what makes a file of several pages, some of them free, and returns what is in it,
// and what was saved by the commit before the last.
func fill(t testing.TB, b *Bolt, rng *rand.Rand) (saved, before Saved, queues map[Queue][]string) {
	t.Helper()
	load := func() Saved {
		s, err := b.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	want := map[Queue][]string{}
	for i := range 40 {
		lines := fmt.Sprintf("%d %s\n", i, strings.Repeat("l", rng.IntN(3000)))
		letters := fmt.Sprintf("%d %s\n", i, strings.Repeat("x", rng.IntN(300)))
		c := Commit{
			State: fmt.Appendf(nil, "state %d", i), Lines: []byte(lines),
			Letters: []byte(letters),
		}
		for w := range 3 {
			c.Parts = append(c.Parts, Part{int64(i/5 + w), bytes.Repeat([]byte{byte(i)}, rng.IntN(2000))})
		}
		if i%5 == 4 {
			_, ids := data(t, b, Lines)
			remove(t, b, Lines, ids[:min(3, len(ids))], "")
			want[Lines] = want[Lines][min(3, len(ids)):]
			c.Parts = c.Parts[1:]
		}
		for _, p := range c.Parts {
			c.Open = append(c.Open, p.Window)
		}
		before = load()
		commit(t, b, c)
		want[Lines], want[Letters] = append(want[Lines], lines), append(want[Letters], letters)
	}
	return load(), before, want
}

// TestBoltDamage flips and cuts bytes anywhere in the file. Whatever is lost then is counted, and
// nothing that comes out was not put in.
func TestBoltDamage(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	t.Log("seed", seed)
	dir := fastDir(t)
	b := openTestBolt(t, dir, 1<<20)
	saved, before, queues := fill(t, b, rng)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "worker.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// heads are the first bytes of the pages, where bbolt's own numbers are.
	heads := func() int { return rng.IntN(len(whole)/pageSize)*pageSize + rng.IntN(96) }
	trials, noticed, lost := 300, 0, 0
	if testing.Short() {
		trials = 50
	}
	aimed := aimedDamage(whole)
	for i := range trials + len(aimed) {
		file, what := bytes.Clone(whole), ""
		switch {
		case i >= trials:
			file, what = aimed[i-trials], fmt.Sprintf("aimed damage %d", i-trials)
		case i%10 == 0:
			file = file[:rng.IntN(len(file))]
			what = fmt.Sprintf("cut at %d", len(file))
		case i%10 == 1:
			at, n := rng.IntN(len(file)), rng.IntN(2*pageSize)
			clear(file[at:min(len(file), at+n)])
			what = fmt.Sprintf("%d zeros at %d", n, at)
		case i%10 == 2: // a page that was not written, or to another place
			to, from := rng.IntN(len(file)/pageSize)*pageSize, rng.IntN(len(file)/pageSize)*pageSize
			copy(file[to:to+pageSize], file[from:])
			what = fmt.Sprintf("page %d at %d", from/pageSize, to/pageSize)
		case i%2 == 0:
			at := heads()
			file[at] ^= 1 << rng.IntN(8)
			what = fmt.Sprintf("a bit at %d", at)
		default:
			at := rng.IntN(len(file))
			file[at] ^= byte(1 + rng.IntN(255))
			what = fmt.Sprintf("a byte at %d", at)
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := NewBolt(logger(t), dir, 1<<20)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := b.Load(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same, older := reflect.DeepEqual(got, saved), reflect.DeepEqual(got, before)
		// before, if the newest meta page is damaged
		if !same && !older && (got.State != nil || got.Parts != nil) {
			t.Errorf("%s: state and parts are others", what)
		}
		for q, want := range queues {
			texts, _ := data(t, b, q)
			next := 0
			for _, text := range texts {
				for next < len(want) && want[next] != text {
					next++
				}
				if next++; next > len(want) {
					t.Errorf("%s: %s holds %.50q", what, q, text)
				}
			}
			same = same && len(texts) == len(want)
		}
		s := b.Stats()
		// With a damaged meta page bbolt goes on from the commit before, as after a crash.
		if !same && !older && s.Damaged == 0 {
			t.Errorf("%s: something is lost, and that is not noticed", what)
		}
		if !same {
			lost++
		}
		if s.Damaged > 0 {
			noticed++
			if n := damagedFiles(t, dir, "damaged"); n != 1 {
				t.Errorf("%s: %d files were moved", what, n)
			}
		}
		after := Commit{State: []byte("after"), Lines: []byte("after\n")}
		if err := b.Commit(t.Context(), after); errors.Is(err, ErrFresh) {
			commit(t, b, after) // the list of free pages was damaged
		} else if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		replaced := b.Stats().Damaged > 0
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		again, err := NewBolt(logger(t), dir, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		// If the list of free pages is damaged, what is written over is noticed now at the earliest.
		if replaced && again.Stats().Damaged != 0 {
			t.Errorf("%s: the fresh file is damaged", what)
		}
		_ = again.Close()
		moved, _ := filepath.Glob(path + ".*")
		for _, name := range moved {
			_ = os.Remove(name)
		}
	}
	t.Logf("%d damaged files: %d noticed, %d had lost something", trials+len(aimed), noticed, lost)
}

// aimedDamage damages each page's own numbers: its last element is missing.
func aimedDamage(whole []byte) (files [][]byte) {
	const branchPage, leafPage = 0x01, 0x02 // of bbolt
	number := binary.NativeEndian
	for page := 2; page < len(whole)/pageSize; page++ {
		head := page * pageSize
		kind, count := number.Uint16(whole[head+8:]), number.Uint16(whole[head+10:])
		if number.Uint64(whole[head:]) != uint64(page) || kind != branchPage && kind != leafPage {
			continue
		}
		file := bytes.Clone(whole)
		number.PutUint16(file[head+10:], count-1)
		files = append(files, file)
	}
	return files
}

// TestBoltRemoved removes and replaces the file under a store that is open.
func TestBoltRemoved(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "worker.db")
	for _, act := range []struct {
		name  string
		do    func() error
		moved string
		lost  bool // what is in the file
	}{
		{"removed", func() error { return os.Remove(path) }, "", false},
		{"replaced", func() error {
			return errors.Join(os.Rename(path, path+".old"),
				os.WriteFile(path, []byte("something else"), 0o600))
		}, "damaged", false},
		{"truncated", func() error { return os.Truncate(path, 0) }, "damaged", true},
		{
			"overwritten", func() error { return os.WriteFile(path, make([]byte, 1<<20), 0o600) }, "damaged",
			true,
		},
	} {
		t.Run(act.name, func(t *testing.T) {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			b := openTestBolt(t, dir, 1<<20)
			commit(t, b, Commit{
				State: []byte("1"), Parts: []Part{{1, []byte("first")}}, Open: []int64{1},
				Lines: []byte("one\n"), Letters: []byte("x\n"),
			})
			if err := act.do(); err != nil {
				t.Fatal(err)
			}
			second := Commit{
				State: []byte("2"), Parts: []Part{{1, []byte("second")}}, Open: []int64{1},
				Lines: []byte("two\n"),
			}
			err := b.Commit(t.Context(), second)
			if !errors.Is(err, ErrFresh) {
				t.Fatalf("the commit says %v", err)
			}
			want, letters := []string{"one\n", "two\n"}, []string{"x\n"}
			if act.lost {
				want, letters = want[1:], nil
			}
			second.Parts[0].Data = []byte("first second")
			commit(t, b, second)
			expect(t, b, Lines, want...)
			expect(t, b, Letters, letters...)
			if got := b.Stats().Damaged; got != 1 {
				t.Errorf("%d damaged files are counted", got)
			}
			if act.moved != "" && damagedFiles(t, dir, act.moved) != 1 {
				t.Error("the file was not moved")
			}
			_ = b.Close()
			b = openTestBolt(t, dir, 1<<20)
			expect(t, b, Lines, want...)
			got, err := b.Load(t.Context())
			var parts []byte
			for _, p := range got.Parts {
				parts = append(append(parts, p.Data...), ' ')
			}
			if err != nil || string(parts) != "first second " {
				t.Errorf("the parts are %q, %v", parts, err)
			}
			if b.Stats().Damaged != 0 {
				t.Error("the fresh file is damaged")
			}
		})
	}
}
