package source

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

func startStream(t *testing.T, address string, position string, rec *recorder) (s *Stream, stop func()) {
	never := func() bool { return false }
	s = NewStream(testLog(t), &redis.Options{Addr: address}, "colors", time.Second, 0, position, rec, rec.state, never)
	return s, start(t, s.Run)
}

func addEntries(t *testing.T, client *redis.Client, from, to int) {
	t.Helper()
	_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := from; i < to; i++ {
			p.XAdd(t.Context(), &redis.XAddArgs{Stream: "colors", Values: []any{payloadField, fmt.Sprint(i)}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

// wantPayloads holds what was handed on against what was added: all of it, in order, once.
func (r *recorder) wantPayloads(want []string) {
	r.t.Helper()
	r.waitCount(len(want))
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.payloads, want) {
		r.t.Errorf("%d messages, want %d, each once and in order", len(r.payloads), len(want))
	}
}

func pendingCount(t *testing.T, client *redis.Client) int64 {
	t.Helper()
	p, err := client.XPending(t.Context(), "colors", group).Result()
	if err != nil {
		t.Fatal(err)
	}
	return p.Count
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what)
		}
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	run := func(name, address string, n int) {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: address})
			defer client.Close()
			addEntries(t, client, 0, 100) // before the worker's first start
			rec := newRecorder(t)
			s, _ := startStream(t, address, "", rec)
			rec.waitCount(100)
			addEntries(t, client, 100, n)
			rec.wantPayloads(numbers(0, n))
			if pending := pendingCount(t, client); pending != int64(n) {
				t.Errorf("%d entries pending, want all %d: nothing is stored", pending, n)
			}
			last := rec.times[len(rec.times)-1]
			rec.wait("Redis's clock closes what the last entry does not", func() bool { return rec.advanced > last })
			s.Stored(last + int64(time.Millisecond))
			waitFor(t, "acknowledgement", func() bool { return pendingCount(t, client) == 0 })
			if rec.lost != 0 || rec.again != 0 {
				t.Errorf("lost %d, again %d", rec.lost, rec.again)
			}
		})
	}
	run("redis", redistest.Start(t).Addr(), 20_000)
	run("miniredis", miniredis.RunT(t).Addr(), 2_000) // it looks through all pending entries for each acknowledged one
}

// TestStreamRestart stops the source with entries unacknowledged: the next run gets them again, first and in order,
// and knows those up to the position that the earlier run had stored.
func TestStreamRestart(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	addEntries(t, client, 0, 1000)
	first := newRecorder(t)
	_, stop := startStream(t, server.Addr(), "", first)
	first.waitCount(1000)
	stop()
	addEntries(t, client, 1000, 1500)
	second := newRecorder(t)
	startStream(t, server.Addr(), first.position, second)
	second.wantPayloads(numbers(0, 1500))
	if second.again != 1000 {
		t.Errorf("%d entries known, want 1000", second.again)
	}
}

// TestStreamOutage kills Redis, whose entries are on disk, while entries are read: each is handed on once.
func TestStreamOutage(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	client := server.Client()
	rec := newRecorder(t)
	s, _ := startStream(t, server.Addr(), "", rec)
	for i := range 5 {
		addEntries(t, client, i*1000, (i+1)*1000)
		server.Kill()
		server.Restart()
	}
	rec.wantPayloads(numbers(0, 5000))
	if s.Reconnects() == 0 {
		t.Error("no reconnect was counted")
	}
	if rec.lost != 0 {
		t.Errorf("lost %d times; a stream loses nothing", rec.lost)
	}
}

func TestStreamLostByRedis(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t) // keeps nothing on disk
	rec := newRecorder(t)
	startStream(t, server.Addr(), "", rec)
	addEntries(t, server.Client(), 0, 10)
	rec.waitCount(10)
	server.Kill()
	server.Restart()
	addEntries(t, server.Client(), 10, 20)
	rec.wait("the loss is told", func() bool { return rec.lost == 1 && rec.heard == 2 })
	rec.wantPayloads(numbers(0, 20))
}

// TestStreamClockSetBack gives ids of before the time that Redis's clock said: each entry is handed on, once, at the
// time that was believed, and not acknowledged before that is stored.
func TestStreamClockSetBack(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	rec := newRecorder(t)
	s, _ := startStream(t, server.Addr(), "", rec)
	rec.wait("time goes on", func() bool { return rec.advanced > time.Now().Add(-time.Minute).UnixNano() })
	id := time.Now().Add(-time.Hour).UnixMilli()
	err := client.XAdd(t.Context(), &redis.XAddArgs{Stream: "colors", ID: fmt.Sprintf("%d-0", id), Values: []any{payloadField, "0"}}).Err()
	if err != nil {
		t.Fatal(err)
	}
	rec.waitCount(1) // the recorder checks the time
	s.Stored(id*int64(time.Millisecond) + int64(time.Second))
	time.Sleep(3 * tickMost)
	if n := pendingCount(t, client); n != 1 {
		t.Errorf("%d entries pending, want 1: what it went into is not stored", n)
	}
	s.Stored(rec.times[0] + 1)
	waitFor(t, "acknowledgement", func() bool { return pendingCount(t, client) == 0 })
}

func TestStreamTidies(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()
	rec := newRecorder(t)
	s := NewStream(testLog(t), &redis.Options{Addr: server.Addr()}, "colors", time.Second, 0, "", rec, rec.state, func() bool { return false })
	s.client = client
	ctx := t.Context()
	read := func(consumer string, count int64) []redis.XMessage {
		got, err := client.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: group, Consumer: consumer, Streams: []string{"colors", ">"}, Count: count,
		}).Result()
		if err != nil {
			t.Fatal(err)
		}
		return got[0].Messages
	}
	tidy := func(length int64) {
		t.Helper()
		s.tidied = time.Time{}
		if err := s.tidy(ctx); err != nil {
			t.Fatal(err)
		}
		if n := client.XLen(ctx, "colors").Val(); n != length {
			t.Errorf("%d entries in the stream, want %d", n, length)
		}
	}
	// Ids of our own, one a millisecond: ids decide what may go.
	for i := range 10 {
		client.XAdd(ctx, &redis.XAddArgs{Stream: "colors", ID: fmt.Sprintf("%d-0", 1000+i), Values: []any{payloadField, fmt.Sprint(i)}})
	}
	if err := s.join(ctx); err != nil {
		t.Fatal(err)
	}
	tidy(10) // nothing was read

	s.tidied = time.Now()
	read("lost", 2) // another consumer takes two, and is never seen again
	var own []entry
	for _, m := range read(consumer, 5) {
		id, _ := parseID(m.ID)
		own = append(own, entry{id: id, payload: m.Values[payloadField].(string)})
	}
	s.handOn(own)
	s.Stored(own[3].id.nanoseconds())
	if err := s.acknowledge(ctx); err != nil {
		t.Fatal(err)
	}
	tidy(10) // the other consumer's entries are older than all that is acknowledged
	if n := len(rec.payloads); n != 5 {
		t.Fatalf("%d messages, want our own 5", n)
	}
	server.SetTime(time.Now().Add(2 * claimIdle))
	rec.anyOrder = true
	tidy(10) // taken over now, and not acknowledged yet
	if want := []string{"2", "3", "4", "5", "6", "0", "1"}; !slices.Equal(rec.payloads, want) {
		t.Errorf("messages %v, want %v", rec.payloads, want)
	}
	if err := s.acknowledge(ctx); err != nil {
		t.Fatal(err)
	}
	tidy(5) // entries 0 to 4 are acknowledged; 5 and 6 are not, 7 to 9 not even read

	client.XGroupCreate(ctx, "colors", "someone-else", "0")
	s.Stored(own[4].id.nanoseconds() + int64(time.Second))
	if err := s.acknowledge(ctx); err != nil {
		t.Fatal(err)
	}
	tidy(5) // the other group has read nothing
}

// What has been read goes all at once, be it more than Redis removes with one command: a stream that shrinks more
// slowly than it grows would fill its memory.
func TestStreamTidiesAll(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	rec := newRecorder(t)
	s := NewStream(testLog(t), &redis.Options{Addr: server.Addr()}, "colors", time.Second, 0, "", rec, rec.state, func() bool { return false })
	s.client = client
	if err := s.join(t.Context()); err != nil {
		t.Fatal(err)
	}
	const entries = 25000
	addEntries(t, client, 0, entries)
	last, err := parseID(client.XRevRangeN(t.Context(), "colors", "+", "-", 1).Val()[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	s.last = last
	if err := s.tidy(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Redis removes whole nodes only, of a hundred entries.
	if n := client.XLen(t.Context(), "colors").Val(); n < 1 || n > 200 {
		t.Errorf("%d of %d entries are left", n, entries)
	}
}

func TestParseEntries(t *testing.T) {
	for _, wrong := range []any{"x", []any{"x"}, []any{[]any{"5-0"}}, []any{[]any{"yesterday", nil}}, []any{[]any{"9999999999999999-0", nil}}} {
		if entries, err := parseEntries(wrong); err == nil {
			t.Errorf("%v is read as %v", wrong, entries)
		}
	}
	entries, err := parseEntries([]any{[]any{"5-7", []any{"x", "y", "m", "p"}}, []any{"6-0", nil}, nil})
	if err != nil || !slices.Equal(entries, []entry{{entryID{5, 7}, "p", false}, {entryID{6, 0}, "", true}}) {
		t.Errorf("%v, %v", entries, err)
	}
}
