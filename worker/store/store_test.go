package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

func logger(t testing.TB) *slog.Logger { return slog.New(slog.NewTextHandler(t.Output(), nil)) }

// A kind is an implementation, for the suite. Its open opens what an earlier one of the same dir or
// key left.
type kind struct {
	name string
	open func(t testing.TB) func() Store
}

func kinds(t *testing.T) []kind {
	server := redistest.Start(t)
	client := server.Client()
	return []kind{
		{"bolt", func(t testing.TB) func() Store {
			dir := t.TempDir()
			var last *Bolt
			return func() Store {
				if last != nil {
					_ = last.Close()
				}
				last = openTestBolt(t, dir, 1<<30)
				return last
			}
		}},
		{"redis", func(t testing.TB) func() Store {
			return func() Store { return openTestRedis(t, client, t.Name()) }
		}},
	}
}

// fastDir makes a folder where a sync costs nothing, if there is one: of what a crash leaves the
// tests make their own.
func fastDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "colorstream-test-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func openTestBolt(t testing.TB, dir string, most int64) *Bolt {
	t.Helper()
	b, err := NewBolt(logger(t), dir, most)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// openTestRedis takes over from whoever owns the stream.
func openTestRedis(t testing.TB, client *redis.Client, stream string) *Redis {
	t.Helper()
	r := newTestRedis(t, client, stream)
	if err := client.HSet(t.Context(), stream+":worker", "until", 0).Err(); err != nil {
		t.Fatal(err)
	}
	acquire(t, r)
	if _, err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func newTestRedis(t testing.TB, client *redis.Client, stream string) *Redis {
	return NewRedis(logger(t), nodeOf(client), stream, OwnerName(time.Now()), time.Minute, 0)
}

func nodeOf(client *redis.Client) Node {
	return func(context.Context, string) (*redis.Client, error) { return client, nil }
}

func acquire(t testing.TB, r *Redis) {
	t.Helper()
	if ok, err := r.Acquire(t.Context()); err != nil || !ok {
		t.Fatalf("acquired is %v, error %v", ok, err)
	}
}

func position(n int) string { return fmt.Sprintf("%d-%d", 1_700_000_000_000+n/3, n%3) }

func commit(t testing.TB, s Store, c Commit) {
	t.Helper()
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func data(t testing.TB, s Store, q Queue) (texts, ids []string) {
	t.Helper()
	batches, err := s.Oldest(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range batches {
		texts, ids = append(texts, string(b.Data)), append(ids, b.ID)
	}
	return texts, ids
}

func expect(t testing.TB, s Store, q Queue, want ...string) (ids []string) {
	t.Helper()
	texts, ids := data(t, s, q)
	if diff := cmp.Diff(want, texts, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: %s", q, diff)
	}
	return ids
}

func remove(t testing.TB, s Store, q Queue, ids []string, letters string) {
	t.Helper()
	if err := s.Remove(t.Context(), q, ids, []byte(letters)); err != nil {
		t.Fatal(err)
	}
}

func signalled(s Store, q Queue) bool {
	select {
	case <-s.More(q):
		return true
	default:
		return false
	}
}

func TestConformance(t *testing.T) {
	for _, k := range kinds(t) {
		run := func(name string, f func(t *testing.T, open func() Store)) {
			t.Run(k.name+"/"+name, func(t *testing.T) { f(t, k.open(t)) })
		}
		run("an empty store", func(t *testing.T, open func() Store) {
			for range 2 {
				s := open()
				if got, err := s.Load(t.Context()); err != nil || !cmp.Equal(got, Saved{}, cmpopts.EquateEmpty()) {
					t.Errorf("%v, %v", got, err)
				}
				expect(t, s, Lines)
				expect(t, s, Letters)
				if diff := cmp.Diff(Stats{}, s.Stats()); diff != "" {
					t.Error(diff)
				}
			}
		})

		run("the queues", func(t *testing.T, open func() Store) {
			s := open()
			for range 2 { // an opened store signals
				signalled(s, Lines)
				signalled(s, Letters)
			}
			commit(t, s, Commit{Position: position(1), Lines: []byte("one\n")})
			if !signalled(s, Lines) || signalled(s, Letters) {
				t.Error("lines, and only they, are not signalled")
			}
			commit(t, s, Commit{Position: position(2), Letters: []byte("x\ny\n")})
			if signalled(s, Lines) || !signalled(s, Letters) {
				t.Error("letters, and only they, are not signalled")
			}
			commit(t, s, Commit{
				Position: position(3), Lines: []byte("two\n"),
				Letters: []byte("z\n"),
			})
			if got := s.Stats(); got.Batches != 2 || got.Oldest.IsZero() ||
				got.Bytes < 14 {
				t.Errorf("%+v", got)
			}
			s = open()
			if !signalled(s, Lines) || !signalled(s, Letters) {
				t.Error("what waits at the start is not signalled")
			}
			letters := expect(t, s, Letters, "x\ny\n", "z\n")
			ids := expect(t, s, Lines, "one\n", "two\n")
			remove(t, s, Lines, ids[:1], "")
			remove(t, s, Lines, ids[:1], "")
			expect(t, s, Lines, "two\n")
			remove(t, s, Letters, letters, "")
			expect(t, s, Letters)
			s = open()
			expect(t, s, Letters)
			remove(t, s, Lines, expect(t, s, Lines, "two\n"), "")
			s = open()
			expect(t, s, Lines)
			if got := s.Stats(); got != (Stats{}) {
				t.Errorf("%+v", got)
			}
			if got, err := s.Oldest(t.Context(), Lines); got != nil || err != nil {
				t.Errorf("the oldest of none are %v, %v", got, err)
			}
		})

		run("rejected lines are letters", func(t *testing.T, open func() Store) {
			s := open()
			commit(t, s, Commit{
				Position: position(1), Lines: []byte("one\n"),
				Letters: []byte("x\n"),
			})
			commit(t, s, Commit{Position: position(2), Lines: []byte("two\n")})
			commit(t, s, Commit{Position: position(3), Lines: []byte("three\n")})
			ids := expect(t, s, Lines, "one\n", "two\n", "three\n")
			signalled(s, Letters)
			for range 3 {
				remove(t, s, Lines, ids[:2], "one is bad\n")
			}
			if !signalled(s, Letters) {
				t.Error("the letters are not signalled")
			}
			expect(t, s, Lines, "three\n")
			expect(t, s, Letters, "x\n", "one is bad\n")
			s = open()
			ids = expect(t, s, Letters, "x\n", "one is bad\n")
			remove(t, s, Letters, ids, "")
			expect(t, open(), Letters)
		})

		run("large batches", func(t *testing.T, open func() Store) {
			s := open()
			small, large := strings.Repeat("s", 1<<20), strings.Repeat("l", 5<<20)
			for i, text := range []string{small, small, small, small, small, large, small} {
				commit(t, s, Commit{Position: position(i + 1), Lines: []byte(text)})
			}
			var got []string
			for {
				texts, ids := data(t, s, Lines)
				if len(texts) == 0 {
					break
				}
				if n := len(strings.Join(texts, "")); n > oldestBytes && len(texts) > 1 {
					t.Errorf("%d bytes at once", n)
				}
				got = append(got, texts...)
				remove(t, s, Lines, ids, "")
			}
			if !slices.Equal(got, []string{small, small, small, small, small, large, small}) {
				t.Error("other batches came out")
			}
		})

		run("the times", func(t *testing.T, open func() Store) {
			s := open()
			now := time.Now()
			commit(t, s, Commit{
				Position: fmt.Sprintf("%d-0", now.UnixMilli()), Lines: []byte("x\n"),
			})
			batches, err := s.Oldest(t.Context(), Lines)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []time.Time{batches[0].At, s.Stats().Oldest, open().Stats().Oldest} {
				if d := at.Sub(now); d < -2*time.Millisecond || d > 10*time.Second {
					t.Errorf("committed %v after its commit", d)
				}
			}
		})
	}
}

func TestBoltLocked(t *testing.T) {
	dir := t.TempDir()
	b := openTestBolt(t, dir, 1<<20)
	if _, err := NewBolt(logger(t), dir, 1<<20); err == nil ||
		!strings.Contains(err.Error(), ErrLocked.Error()) {
		t.Errorf("a second store says %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	openTestBolt(t, dir, 1<<20)
}

func TestBoltCap(t *testing.T) {
	b := openTestBolt(t, t.TempDir(), 10_000)
	text := []byte(strings.Repeat("l", 985) + strings.Repeat("\n", 7)) // 1 000 with the time
	for range 15 {
		commit(t, b, Commit{Lines: text})
	}
	if s := b.Stats(); s.Batches != 10 || s.Bytes != 10_000 || s.DroppedPoints != 5*7 {
		t.Errorf("%+v", s)
	}
	for range 5 {
		commit(t, b, Commit{Letters: []byte(strings.Repeat("x", 250) + "\ny\n")})
	}
	if s := b.Stats(); s.DroppedLetters != 3*2 {
		t.Errorf("%+v", s)
	}
}

func damagedFiles(t *testing.T, dir, kind string) int {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "worker.db."+kind+"-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}
