package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
)

// A rig is a publisher and what it says.
type rig struct {
	*Publisher
	log   *logBuffer
	mu    sync.Mutex
	state error
}

// logBuffer is safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logBuffer) count(words string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), words)
}

func newRig(t testing.TB, url string, transport Transport) *rig {
	t.Helper()
	r := &rig{log: new(logBuffer)}
	p, err := New(slog.New(slog.NewTextHandler(r.log, nil)), Options{URL: url, Channel: "colors", Transport: transport},
		func(err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.state = err
		})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	r.Publisher = p
	return r
}

func (r *rig) currentState() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// add puts n numbered messages into the batch.
func (r *rig) add(from, n int) {
	for i := range n {
		r.Add(message.Message{Color: "red", Name: "n", Value: float64(from + i)})
	}
}

func (r *rig) flush(t testing.TB) {
	t.Helper()
	if _, err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// number reads the value that add gave.
func number(t testing.TB, payload string) int {
	t.Helper()
	var m struct{ Value int }
	if err := json.Unmarshal([]byte(payload), &m); err != nil {
		t.Fatalf("%q: %v", payload, err)
	}
	return m.Value
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
}

// both runs a test against an embedded and a real Redis.
func both(t *testing.T, test func(t *testing.T, url string, client *redis.Client)) {
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		m := miniredis.RunT(t)
		client := redis.NewClient(&redis.Options{Addr: m.Addr()})
		t.Cleanup(func() { _ = client.Close() })
		test(t, "redis://"+m.Addr(), client)
	})
	t.Run("real", func(t *testing.T) {
		t.Parallel()
		s := redistest.Start(t)
		test(t, s.URL(), s.Client())
	})
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, url string, client *redis.Client) {
		r := newRig(t, url, PubSub)
		r.add(0, 3)
		r.flush(t)
		if got, want := r.Counts(), (Counts{Published: 3, Unheard: 3}); got != want {
			t.Errorf("without a subscriber: %+v, want %+v", got, want)
		}
		sub := client.Subscribe(t.Context(), "colors")
		defer sub.Close()
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		messages := sub.Channel(redis.WithChannelSize(4 * BatchSize))
		for batch := range 3 {
			r.add(batch*BatchSize, BatchSize)
			r.flush(t)
		}
		for want := range 3 * BatchSize {
			m := <-messages
			if want == 0 && m.Payload != `{"color":"red","name":"n","value":0}` {
				t.Errorf("payload %s", m.Payload)
			}
			if got := number(t, m.Payload); got != want {
				t.Fatalf("message %d comes as number %d", got, want)
			}
		}
		if got, want := r.Counts(), (Counts{Published: 3 + 3*BatchSize, Unheard: 3, Receivers: 1}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		if r.log.count("nobody listens") != 1 || r.log.count("heard again") != 1 {
			t.Errorf("log:\n%s", r.log.text.String())
		}
		if err := r.currentState(); err != nil {
			t.Errorf("state: %v", err)
		}
	})
}

func TestStream(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, url string, client *redis.Client) {
		r := newRig(t, url, Stream)
		for batch := range 3 {
			r.add(batch*BatchSize, BatchSize)
			r.flush(t)
		}
		want := Counts{Published: 3 * BatchSize, StreamLength: 3 * BatchSize}
		if got := r.Counts(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		checkStream(t, client, 3*BatchSize)
		if keys := client.Keys(t.Context(), "colors:generator:*").Val(); len(keys) != 1 {
			t.Errorf("keys while it runs: %v", keys)
		} else if life := client.TTL(t.Context(), keys[0]).Val(); life <= 0 || life > markerLife {
			t.Errorf("the marker lives %s", life)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if keys := client.Keys(t.Context(), "*").Val(); len(keys) != 1 {
			t.Errorf("keys left: %v", keys)
		}
	})
}

// checkStream wants exactly the messages 0 to n-1, in order, each in the one field.
func checkStream(t testing.TB, client *redis.Client, n int) {
	t.Helper()
	entries, err := client.XRange(t.Context(), "colors", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != n {
		t.Errorf("the stream has %d entries, want %d", len(entries), n)
	}
	for i, entry := range entries {
		payload, _ := entry.Values[EntryField].(string)
		if len(entry.Values) != 1 || number(t, payload) != i {
			t.Fatalf("entry %d is %v", i, entry.Values)
		}
	}
}

func TestPermanentRefusals(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	client.Set(t.Context(), "colors", "a string", 0)
	client.ACLSetUser(t.Context(), "mute", "on", ">pw", "+@all", "-publish", "~*", "&*")
	refused := func(name, url string, transport Transport, words string) {
		t.Helper()
		r := newRig(t, url, transport)
		r.add(0, 5)
		_, err := r.Flush(t.Context())
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, words)
		}
		if got := r.Counts(); got.Unsent != 5 || got.Published != 0 || r.Waiting() != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	refused("another type", server.URL(), Stream, "set REDIS_CHANNEL to another name")
	refused("no permission", "redis://mute:pw@"+server.Addr(), PubSub, "NOPERM")
	refused("wrong password", "redis://x:secret@"+server.Addr(), PubSub, "REDIS_URL takes them")
	refused("no such database", "redis://"+server.Addr()+"/99", PubSub, "DB index")
	client.ConfigSet(t.Context(), "requirepass", "pw")
	refused("no password", server.URL(), PubSub, "NOAUTH")
}

// While Redis cannot take messages, it is waited for and it is said once.
func TestTemporaryRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		transport    Transport
		enter, leave []any
		words        string
	}{
		{"out of memory", Stream, []any{"config", "set", "maxmemory", "1mb"}, []any{"config", "set", "maxmemory", "0"}, "OOM"},
		{"replica", Stream, []any{"replicaof", "127.0.0.1", "1"}, []any{"replicaof", "no", "one"}, "READONLY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client := redistest.Start(t).Client()
			r := newRig(t, "redis://"+client.Options().Addr, c.transport)
			r.add(0, 10)
			r.flush(t)
			if err := client.Do(t.Context(), c.enter...).Err(); err != nil {
				t.Fatal(err)
			}
			r.add(10, 10)
			done := make(chan error, 1)
			go func() {
				_, err := r.Flush(t.Context())
				done <- err
			}()
			eventually(t, "two attempts failed", func() bool { return r.Counts().Errors >= 2 })
			if err := r.currentState(); err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("state: %v", err)
			}
			if err := client.Do(t.Context(), c.leave...).Err(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			checkStream(t, client, 20)
			if r.log.count("cannot publish") != 1 || r.log.count("publishing again") != 1 {
				t.Errorf("log:\n%s", r.log.text.String())
			}
		})
	}
}

func TestStreamMax(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, url string, client *redis.Client) {
		r := newRig(t, url, Stream)
		r.transport.(*stream).max = 15
		r.add(0, 16)
		r.flush(t)
		r.add(16, 4)
		done := make(chan error, 1)
		go func() {
			_, err := r.Flush(t.Context())
			done <- err
		}()
		eventually(t, "it waits", func() bool { return r.Counts().Errors >= 2 })
		if n := client.XLen(t.Context(), "colors").Val(); n != 16 {
			t.Errorf("%d entries while it should wait", n)
		}
		if err := r.currentState(); err == nil || !strings.Contains(err.Error(), "GENERATOR_STREAM_MAX=15") {
			t.Errorf("state: %v", err)
		}
		if err := client.XTrimMaxLen(t.Context(), "colors", 15).Err(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if got := r.Counts(); got.Published != 20 || got.StreamLength != 19 {
			t.Errorf("%+v", got)
		}
	})
}

func TestStopWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	for _, transport := range []Transport{PubSub, Stream} {
		r := newRig(t, "redis://127.0.0.1:1", transport)
		r.add(0, 5)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		waited, err := r.Flush(ctx)
		if !errors.Is(err, context.Canceled) || !waited {
			t.Errorf("%v, %v", waited, err)
		}
		if got := r.Counts(); got.Unsent != 5 || got.Errors != 1 || got.Unconfirmed != 0 {
			t.Errorf("%+v", got)
		}
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, url string, client *redis.Client) {
		want := func(transport Transport, words string) {
			t.Helper()
			found, err := newRig(t, url, transport).Probe(t.Context())
			if err != nil || !strings.Contains(found, words) {
				t.Errorf("%s: %q, %v; want %q", transport, found, err, words)
			}
		}
		want(PubSub, `the channel "colors" has 0 subscribers`)
		want(Stream, `the stream "colors" has 0 entries and 0 consumer groups`)
		client.XAdd(t.Context(), &redis.XAddArgs{Stream: "colors", Values: []string{"m", "{}"}})
		client.XGroupCreate(t.Context(), "colors", "worker", "0")
		want(Stream, `the stream "colors" has 1 entries and 1 consumer groups`)
	})
	if _, err := newRig(t, "redis://127.0.0.1:1", PubSub).Probe(t.Context()); err == nil || !strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no Redis: %v", err)
	}
}

func TestSameName(t *testing.T) {
	t.Parallel()
	const list = "id=3 addr=127.0.0.1:5 name=us age=1\nid=4 addr=127.0.0.1:6 name= age=1\nid=12 name=us2 x\nid=13 laddr=x name=us lib-name=us"
	if got := fmt.Sprint(sameName(list, "us")); got != "[3 13]" {
		t.Errorf("%s", got)
	}
}
