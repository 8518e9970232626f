package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

// A step of a store either fails, or is done and its answer is lost.
const (
	fails       = "failed"
	failsDone   = "failed but done"
	failsNot    = "works"
	batchOne    = "one\n"
	batchTwo    = "two\n"
	batchLetter = "x\n"
)

// A proxy stands before Redis. It cuts a connection at its next command, before or after Redis has
// run that, as often as fail says.
type proxy struct {
	addr  string
	left  atomic.Int32
	after atomic.Bool
}

func (p *proxy) fail(mode string, times int) {
	p.after.Store(mode == failsDone)
	p.left.Store(int32(times))
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &proxy{addr: l.Addr().String()}
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(client, server)
		}
	}()
	return p
}

// serve passes commands and answers on in turns, as the client waits for each answer.
func (p *proxy) serve(client net.Conn, addr string) {
	defer client.Close()
	server, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer server.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		cut := strings.Contains(strings.ToLower(string(buf[:n])), "eval") ||
			strings.Contains(string(buf[:n]), "hmget")
		cut = cut && p.left.Add(-1) >= 0
		if cut && !p.after.Load() {
			return
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if n, err = server.Read(buf); err != nil || cut {
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestRedisFailures fails each step of an owner's life. A client that repeats commands by itself
// may hide it; else the owner acquires and loads again. Either way nothing is lost, nothing is
// there twice.
func TestRedisFailures(t *testing.T) {
	server := redistest.Start(t)
	p := startProxy(t, server.Addr())
	steps := []string{
		"acquire", "load", "renew", "commit", "oldest", "remove", "letters", "release",
		"owner",
	}
	for _, mode := range []string{fails, failsDone} {
		for _, retries := range []int{-1, 3} {
			for _, failing := range steps {
				t.Run(fmt.Sprintf("%s %s, %d retries", failing, mode, retries), func(t *testing.T) {
					client := redis.NewClient(&redis.Options{
						Addr: p.addr, MaxRetries: retries, MinRetryBackoff: -1, Protocol: 2, DisableIdentity: true,
					})
					defer client.Close()
					r := newTestRedis(t, client, t.Name())
					if ok, err := r.Acquire(t.Context()); !ok || err != nil { // caches the scripts, too
						t.Fatal(err)
					}
					if err := r.Release(t.Context()); err != nil {
						t.Fatal(err)
					}
					again := func() {
						for range 10 {
							if ok, err := r.Acquire(t.Context()); ok && err == nil {
								if _, err := r.Load(t.Context()); err == nil {
									return
								}
							}
						}
						t.Fatal("the owner does not come back")
					}
					// do tries a step until it works; lost is what to do in between.
					do := func(name string, act func() error, lost func()) {
						t.Helper()
						if name == failing {
							p.fail(mode, 1)
						}
						for try := 0; ; try++ {
							err := act()
							if err == nil {
								p.fail(failsNot, 0)
								return
							}
							if name != failing || try > 3 {
								t.Fatalf("%s: %v", name, err)
							}
							if retries > 0 {
								t.Errorf("%s: the client does not repeat it: %v", name, err)
							}
							if lost != nil {
								lost()
							}
						}
					}
					ctx := t.Context()
					do("acquire", func() error {
						ok, err := r.Acquire(ctx)
						if err == nil && !ok {
							t.Error("the lease that it just took is in its way")
						}
						return err
					}, nil)
					do("load", func() error { _, err := r.Load(ctx); return err }, nil)
					do("renew", func() error { return r.Renew(ctx) }, nil)
					commit(t, r, Commit{Position: "1-0", Lines: []byte(batchOne)})
					do("commit", func() error {
						if r.position >= "2-0" { // it was done, as the reload told
							return nil
						}
						return r.Commit(ctx, Commit{
							Position: "2-0", Lines: []byte(batchTwo),
							Letters: []byte(batchLetter),
						})
					}, again)
					do("oldest", func() error { _, err := r.Oldest(ctx, Lines); return err }, nil)
					ids := expect(t, r, Lines, batchOne, batchTwo)
					do("remove", func() error { return r.Remove(ctx, Lines, ids[:1], nil) }, nil)
					do("letters", func() error { return r.Remove(ctx, Lines, ids[1:], []byte("rejected\n")) }, nil)
					expect(t, r, Lines)
					expect(t, r, Letters, batchLetter, "rejected\n")
					again()
					expect(t, r, Lines)
					expect(t, r, Letters, batchLetter, "rejected\n")
					do("owner", func() error { _, err := r.Owner(ctx); return err }, nil)
					do("release", func() error { return r.Release(ctx) }, nil)
					if name, err := r.Owner(ctx); name != "" || err != nil {
						t.Errorf("after the release %q owns it, %v", name, err)
					}
				})
			}
		}
	}
}

// TestRedisFailover lets a replica take over that lacks the last commit: the owner notices, and
// acquires again.
func TestRedisFailover(t *testing.T) {
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := net.SplitHostPort(master.Addr())
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	serving := master.Client()
	node := func(context.Context, string) (*redis.Client, error) { return serving, nil }
	r := NewRedis(logger(t), node, "s", "me", time.Minute, 1)
	again := func() string {
		t.Helper()
		acquire(t, r)
		saved, err := r.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return saved.Position
	}
	again()
	commit(t, r, Commit{Position: "1-0", Lines: []byte(batchOne)})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if _, err := r.Oldest(t.Context(), Lines); err == nil {
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	promoted := replica.Client()
	// cuts the link
	if err := promoted.Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err(); err != nil {
		t.Fatal(err)
	}
	commit(t, r, Commit{Position: "2-0", Lines: []byte(batchTwo)})
	if got, err := r.Oldest(t.Context(), Lines); err == nil {
		t.Errorf("lines that only the old master has are handed out: %v", got)
	}
	serving = promoted
	if err := r.Commit(t.Context(), Commit{Position: "3-0"}); err == nil {
		t.Error("a replica takes a commit")
	}
	if _, err := r.Acquire(t.Context()); err == nil || !strings.Contains(err.Error(), "READONLY") {
		t.Errorf("acquired from a replica: %v", err)
	}
	master.Kill()
	if err := promoted.Do(t.Context(), "REPLICAOF", "NO", "ONE").Err(); err != nil {
		t.Fatal(err)
	}
	// The token is on the new master, but what follows was not committed there.
	if err := r.Commit(t.Context(), Commit{Position: "3-0", State: []byte("3")}); !errors.Is(err,
		ErrFenced) {
		t.Errorf("a commit after one that is missing: %v", err)
	}
	if got := again(); got != "1-0" {
		t.Errorf("the position is %s", got)
	}
	r.replicas = 0
	expect(t, r, Lines, batchOne)
	commit(t, r, Commit{Position: "3-0", Lines: []byte("two and three\n")})
	expect(t, r, Lines, batchOne, "two and three\n")
}

// TestBoltRepeatedCommit commits again what failed, with more in it. Whether it had been done makes
// no difference, and nobody is given it before.
func TestBoltRepeatedCommit(t *testing.T) {
	for _, mode := range []string{fails, failsDone} {
		t.Run(mode, func(t *testing.T) {
			dir := t.TempDir()
			b := openTestBolt(t, dir, 1<<20)
			commit(t, b, Commit{
				State: []byte("0"), Parts: []Part{{1, []byte("a")}}, Lines: []byte("zero\n"),
			})
			c := Commit{
				State: []byte("1"), Open: []int64{1, 2},
				Parts: []Part{{1, []byte("b")}, {2, []byte("c")}},
				Lines: []byte(batchOne), Letters: []byte(batchLetter),
			}
			if mode == failsDone {
				commit(t, b, c)
				b.last-- // as if the answer were lost
			} else {
				failBolt(t, b, func() error { return b.Commit(t.Context(), c) })
			}
			expect(t, b, Letters)
			remove(t, b, Lines, expect(t, b, Lines, "zero\n"), "rejected\n")
			if mode == failsDone { // what a crash leaves
				crashed := t.TempDir()
				if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				expect(t, openTestBolt(t, crashed, 1<<20), Lines, batchOne)
			}
			c.State, c.Lines = []byte("2"), []byte(batchOne+batchTwo)
			c.Parts[1].Data = []byte("cd")
			commit(t, b, c)
			want := model{
				state: "2", parts: map[int64]string{1: "ab", 2: "cd"},
				queues: map[Queue][]string{
					Lines: {batchOne + batchTwo}, Letters: {"rejected\n", batchLetter},
				},
			}
			for range 2 {
				if diff := difference(want, observe(t, b), true); diff != "" {
					t.Error(diff)
				}
				if s := b.Stats(); s.Batches != 1 || s.Damaged != 0 {
					t.Errorf("%+v", s)
				}
				_ = b.Close()
				b = openTestBolt(t, dir, 1<<20)
			}
		})
	}
}

// failBolt lets an act fail because the file cannot be written, and mends that.
func failBolt(t *testing.T, b *Bolt, act func() error) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fd := int(b.file.Fd())
	writable, err := syscall.Dup(fd)
	must(err)
	defer syscall.Close(writable)
	readOnly, err := os.Open(b.path)
	must(err)
	defer readOnly.Close()
	must(syscall.Dup3(int(readOnly.Fd()), fd, 0))
	err = act()
	must(syscall.Dup3(writable, fd, 0))
	if err == nil {
		t.Fatal("it does not fail")
	}
}

// TestBoltFullDisk fills a small file system, goes on when there is room again, and loses nothing.
func TestBoltFullDisk(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("mounting a small file system takes root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("a small file system cannot be mounted:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	b := openTestBolt(t, filepath.Join(dir, "data"), 1<<30)
	t.Cleanup(func() { _ = b.Close() })
	var want, got []string
	next := 0
	held := Commit{Parts: []Part{{1, nil}}}
	try := func() error {
		line := fmt.Sprintf("%d%s\n", next, strings.Repeat("l", 10_000))
		next++
		want = append(want, line)
		held.State, held.Lines = fmt.Append(nil, next), append(held.Lines, line...)
		held.Parts[0].Data = append(held.Parts[0].Data, byte(next))
		err := b.Commit(t.Context(), held)
		if err == nil {
			held = Commit{Parts: []Part{{1, nil}}}
		}
		return err
	}
	for round := range 6 {
		failures := 0
		for failures < 5 {
			if err := try(); err != nil {
				failures++
				if !errors.Is(err, syscall.ENOSPC) {
					t.Fatal(err)
				}
			}
		}
		if round == 3 { // a restart while it is full; what is held is lost with the process
			saved, err := b.Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			_ = b.Close()
			b = openTestBolt(t, filepath.Join(dir, "data"), 1<<30)
			again, err := b.Load(t.Context())
			if err != nil || string(again.State) != string(saved.State) {
				t.Fatal(err)
			}
		}
		for range 3 + 40*(round%2) { // while the disk is full, what is sent is removed
			texts, ids := data(t, b, Lines)
			if len(ids) == 0 {
				break
			}
			got = append(got, texts[0])
			if err := b.Remove(t.Context(), Lines, ids[:1], []byte("rejected\n")); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
	}
	for {
		texts, ids := data(t, b, Lines)
		if len(ids) == 0 {
			if len(held.Lines) == 0 {
				break
			}
			commit(t, b, held)
			held = Commit{}
			continue
		}
		got = append(got, texts...)
		remove(t, b, Lines, ids, "")
	}
	if strings.Join(got, "") != strings.Join(want, "") {
		t.Errorf("%d bytes of %d came out", len(strings.Join(got, "")), len(strings.Join(want, "")))
	}
	if b.Stats().Damaged != 0 {
		t.Error("a full disk damages the file")
	}
}
