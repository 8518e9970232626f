package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

// TestRedisOlderOwner: nothing of an owner whose lease has ended is done any more.
func TestRedisOlderOwner(t *testing.T) {
	client := redistest.Start(t).Client()
	older := openTestRedis(t, client, "s")
	commit(t, older, Commit{State: []byte("1"), Position: position(1)})
	newer := openTestRedis(t, client, "s")
	next := Commit{State: []byte("2"), Position: position(2), Lines: []byte("x\n")}
	for act, err := range map[string]error{
		"commit":  older.Commit(t.Context(), next),
		"renew":   older.Renew(t.Context()),
		"remove":  older.Remove(t.Context(), Lines, []string{"lines:1-1"}, nil),
		"letters": older.Remove(t.Context(), Lines, []string{"lines:1-1"}, []byte("x\n")),
		"load":    func() error { _, err := older.Load(t.Context()); return err }(),
	} {
		if !errors.Is(err, ErrFenced) {
			t.Errorf("%s says %v", act, err)
		}
	}
	if err := older.Release(t.Context()); err != nil {
		t.Error(err)
	}
	commit(t, newer, next)
}

// TestRedisLateCommit: a commit that was held up may be repeated, but not after its successor.
func TestRedisLateCommit(t *testing.T) {
	r := openTestRedis(t, redistest.Start(t).Client(), "s")
	commit(t, r, Commit{State: []byte("1"), Position: position(1)})
	late := []any{r.own(), position(1), position(2), "2"}
	commit(t, r, Commit{State: []byte("2"), Position: position(2)})
	if err := r.run(t.Context(), commitScript, late...).Err(); err != nil {
		t.Errorf("a repeated commit says %v", err)
	}
	commit(t, r, Commit{State: []byte("3"), Position: position(3)})
	if err := r.run(t.Context(), commitScript, late...).Err(); !errors.Is(err, ErrFenced) {
		t.Errorf("a late commit says %v", err)
	}
}

func TestRedisLease(t *testing.T) {
	client := redistest.Start(t).Client()
	owner := func(name string) *Redis {
		return NewRedis(logger(t), nodeOf(client), "s", name, time.Minute, 0)
	}
	a, b := owner("a"), owner("b")
	owned := func(want string) {
		t.Helper()
		if name, err := b.Owner(t.Context()); name != want || err != nil {
			t.Fatalf("%q owns it, want %q, %v", name, want, err)
		}
	}
	refused := func() {
		t.Helper()
		if ok, err := b.Acquire(t.Context()); ok || err != nil {
			t.Fatalf("a second owner acquires: %v, %v", ok, err)
		}
	}
	pass := func(d time.Duration) {
		client.HIncrBy(t.Context(), "s:worker", "until", -d.Milliseconds())
	}
	owned("")
	acquire(t, a)
	acquire(t, a) // after an error its own lease is no obstacle
	refused()
	owned("a")
	for range 3 {
		pass(50 * time.Second)
		if err := a.Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		refused()
	}
	if err := a.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	acquire(t, b)
	if err := a.Renew(t.Context()); !errors.Is(err, ErrFenced) {
		t.Errorf("the first one renews: %v", err)
	}
	pass(time.Minute)
	owned("")
	acquire(t, a)
}

// TestRedisPosition keeps a batch's name from being used twice.
func TestRedisPosition(t *testing.T) {
	r := openTestRedis(t, redistest.Start(t).Client(), "s")
	commit(t, r, Commit{Position: "5-10", Lines: []byte("one\n")})
	for _, p := range []string{"5-10", "5-9", "4-11", ""} {
		if err := r.Commit(t.Context(), Commit{Position: p, Lines: []byte("two\n")}); err == nil {
			t.Errorf("lines at %q are taken after 5-10", p)
		}
	}
	commit(t, r, Commit{Position: "5-10", State: []byte("no lines")})
	commit(t, r, Commit{Position: "5-11", Lines: []byte("two\n")})
	expect(t, r, Lines, "one\n", "two\n")
}

func TestRedisMissingLines(t *testing.T) {
	client := redistest.Start(t).Client()
	r := openTestRedis(t, client, "s")
	commit(t, r, Commit{Position: "5-10", Lines: []byte("one\n")})
	client.HDel(t.Context(), "s:worker", "lines:5-10")
	if _, err := r.Oldest(t.Context(), Lines); !errors.Is(err, ErrFenced) {
		t.Errorf("lines that are missing: %v", err)
	}
}

func TestRedisFull(t *testing.T) {
	r := openTestRedis(t, redistest.Start(t).Client(), "s")
	r.bytes[Lines] = redisLines - 1
	if r.Full() {
		t.Error("full too early")
	}
	commit(t, r, Commit{Position: "5-10", Lines: []byte("one\n"), Letters: []byte("x\n")})
	if !r.Full() {
		t.Error("not full")
	}
	r.bytes[Letters] = redisLetters
	commit(t, r, Commit{Position: "5-11", Letters: []byte("y\nz\n")})
	expect(t, r, Letters, "x\n")
	if got := r.Stats().DroppedLetters; got != 2 {
		t.Errorf("%d letters are dropped", got)
	}
}

// TestRedisReplicas hands lines out only when enough replicas have them.
func TestRedisReplicas(t *testing.T) {
	master := redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, _ := strings.Cut(master.Addr(), ":")
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	client := master.Client()
	linked := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			info, err := client.InfoMap(t.Context(), "replication").Result()
			if err == nil && strings.Contains(fmt.Sprint(info), want) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%v, %v", info, err)
			}
		}
	}
	linked("state=online")
	r := NewRedis(logger(t), nodeOf(client), "s", "me", time.Minute, 1)
	acquire(t, r)
	if _, err := r.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	commit(t, r, Commit{Position: "1-0", Lines: []byte("one\n")})
	expect(t, r, Lines, "one\n")
	replica.Stop()
	// The stopped replica's socket takes what comes; a new client's WAIT would count it.
	commit(t, r, Commit{Position: "2-0", Lines: []byte("two\n")})
	if got, err := r.Oldest(t.Context(), Lines); err == nil || errors.Is(err, ErrFenced) {
		t.Errorf("lines that no replica has are handed out: %v, %v", got, err)
	}
	replica.Resume()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, err := r.Oldest(t.Context(), Lines)
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	expect(t, r, Lines, "one\n", "two\n")
}

func TestRedisTrim(t *testing.T) {
	client := redistest.Start(t, "--stream-node-max-entries", "10").Client()
	r := openTestRedis(t, client, "s")
	now := time.Now().UnixMilli()
	ctx := t.Context()
	pipe := client.Pipeline()
	for i := range int64(5000) {
		pipe.XAdd(ctx, &redis.XAddArgs{
			Stream: "s", ID: fmt.Sprintf("%d-0", now-5000+i),
			Values: []string{"m", "x"},
		})
	}
	if _, err := pipe.Exec(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		before string
		age    time.Duration
		count  int64
		left   int64
	}{
		{"0-0", 0, 0, 5000},
		{fmt.Sprintf("%d-0", now-4900), 0, 0, 4900},
		{fmt.Sprintf("%d-0", now), time.Minute, 0, 4900},
		{fmt.Sprintf("%d-0", now), 0, 4000, 4000},
		{fmt.Sprintf("%d-0", now-3000), 0, 10, 3000},
		{fmt.Sprintf("%d-0", now), time.Second, 0, 1000},
		{fmt.Sprintf("%d-0", now), 0, 0, 0},
	} {
		if _, err := r.Trim(ctx, c.before, c.age, c.count); err != nil {
			t.Fatal(err)
		}
		got := client.XLen(ctx, "s").Val()
		// A node of ten entries goes as a whole; the second of age has moved on meanwhile.
		if got < c.left-1000 && c.age == time.Second || got < c.left && c.age != time.Second ||
			got > c.left+10 {
			t.Errorf("%+v: %d are left", c, got)
		}
	}
}

func TestMembers(t *testing.T) {
	client := redistest.Start(t).Client()
	const lease = time.Minute
	names := []string{"1-old", "2-mid", "3-new"}
	var all []*Members
	for _, name := range names {
		all = append(all, NewMembers(nodeOf(client), "c", name, lease, 8))
	}
	beat := func(i, owned int, want Share) {
		t.Helper()
		if got, err := all[i].Heartbeat(t.Context(), owned); err != nil || got != want {
			t.Errorf("the share of %s is %+v, %v, not %+v", names[i], got, err, want)
		}
	}
	beat(2, 0, Share{1, 8, 0})
	beat(0, 0, Share{2, 4, 0})
	beat(1, 0, Share{3, 3, 0})
	beat(2, 8, Share{3, 2, 0}) // too many once: another worker may just have started
	beat(2, 8, Share{3, 2, 6})
	beat(2, 2, Share{3, 2, 0})
	beat(2, 3, Share{3, 2, 0})
	beat(0, 3, Share{3, 3, 0})
	beat(1, 3, Share{3, 3, 0})
	if err := all[0].Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	beat(1, 3, Share{2, 4, 0})
	silent := func(d time.Duration) {
		for _, name := range names[1:] {
			client.ZIncrBy(t.Context(), "c:workers", -float64(d.Milliseconds()), name)
		}
	}
	silent(lease + time.Millisecond)
	beat(0, 3, Share{1, 8, 0})
	if n := client.ZCard(t.Context(), "c:workers").Val(); n != 3 {
		t.Errorf("%d names; dead ones stay for a while", n)
	}
	silent(9 * lease)
	beat(0, 3, Share{1, 8, 0})
	if n := client.ZCard(t.Context(), "c:workers").Val(); n != 1 {
		t.Errorf("%d names; those of dead workers should have gone", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := all[0].Heartbeat(ctx, 9); err == nil || got != (Share{1, 8, 0}) {
		t.Errorf("after a failed heartbeat the share is %+v, %v", got, err)
	}
	if a, b := OwnerName(time.UnixMilli(999)), OwnerName(time.UnixMilli(1_700_000_000_000)); a >= b ||
		a == OwnerName(time.UnixMilli(999)) {
		t.Errorf("names %s and %s", a, b)
	}
}

func TestCheckPartitions(t *testing.T) {
	node := nodeOf(redistest.Start(t).Client())
	for range 2 {
		if err := CheckPartitions(t.Context(), node, "c", 8); err != nil {
			t.Error(err)
		}
	}
	err := CheckPartitions(t.Context(), node, "c", 4)
	if err == nil || !strings.Contains(err.Error(), "REDIS_PARTITIONS is 4") ||
		!strings.Contains(err.Error(), "8 partitions") {
		t.Error(err)
	}
	if got := fmt.Sprint(Streams("c", 1), Streams("c", 3)); got != "[c] [c:{0} c:{1} c:{2}]" {
		t.Error(got)
	}
}
