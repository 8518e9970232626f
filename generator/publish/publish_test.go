package publish

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
	"colorstream/generator/redisurl"
	"colorstream/generator/service/servicetest"
)

// A rig is a publisher and what it says.
type rig struct {
	*Publisher
	log   *servicetest.Output
	mu    sync.Mutex
	state error
}

// newRig makes a publisher on the channel colors, which tune may change.
func newRig(t testing.TB, url string, transport Transport, tune ...func(*Options)) *rig {
	t.Helper()
	target, err := redisurl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{log: new(servicetest.Output)}
	o := Options{Target: target, Channel: "colors", Transport: transport}
	for _, change := range tune {
		change(&o)
	}
	r.Publisher = New(slog.New(slog.NewTextHandler(r.log, nil)), o, func(err error) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.state = err
	})
	t.Cleanup(func() { _ = r.Close() })
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

// numbers reads the values that add gave.
func numbers(t testing.TB, payload string) (all []int) {
	t.Helper()
	for payload != "" {
		m, n, err := message.Next(payload)
		if err != nil {
			t.Fatalf("%q: %v", payload, err)
		}
		all = append(all, int(m.Value))
		payload = payload[n:]
	}
	return all
}

// flushing publishes on another goroutine, and gives the error.
func (r *rig) flushing(t testing.TB) <-chan error {
	done := make(chan error, 1)
	go func() {
		waited, err := r.Flush(t.Context())
		if !waited {
			t.Error("it did not wait")
		}
		done <- err
	}()
	return done
}

func TestPubSub(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	url, client := server.URL(), server.Client()
	r := newRig(t, url, PubSub)
	r.add(0, 3)
	r.flush(t)
	if got, want := r.Counts(), (Counts{Published: 3, NoSubscribers: 3}); got != want {
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
	for batch := range 3 {
		payload := (<-messages).Payload
		if lines := strings.Split(payload, "\n"); batch == 0 &&
			lines[0] != `{"color":"red","name":"n","value":0}` {
			t.Errorf("line %s", lines[0])
		}
		got := numbers(t, payload)
		if len(got) != BatchSize || got[0] != batch*BatchSize ||
			got[BatchSize-1] != (batch+1)*BatchSize-1 {
			t.Fatalf("payload %d has %d messages, from %d", batch, len(got), got[0])
		}
	}
	want := Counts{Published: 3 + 3*BatchSize, NoSubscribers: 3, Receivers: 1}
	if got := r.Counts(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if r.log.Count("nobody is subscribed") != 1 || r.log.Count("has subscribers again") != 1 {
		t.Errorf("log:\n%s", r.log)
	}
	if err := r.currentState(); err != nil {
		t.Errorf("state: %v", err)
	}
}

func TestStream(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	url, client := server.URL(), server.Client()
	r := newRig(t, url, Stream)
	for batch := range 3 {
		r.add(batch*BatchSize, BatchSize)
		r.flush(t)
	}
	want := Counts{Published: 3 * BatchSize, StreamWaiting: 3 * BatchSize}
	if got := r.Counts(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	checkStream(t, client, 3*BatchSize)
	// The stream, and the number of its partitions.
	if keys := client.Keys(t.Context(), "*").Val(); len(keys) != 2 {
		t.Errorf("keys: %v", keys)
	}
}

// checkStream wants exactly the messages 0 to n-1, in order, in entries with numbers of their own.
func checkStream(t testing.TB, client *redis.Client, n int) {
	t.Helper()
	entries, err := client.XRange(t.Context(), "colors", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	seen := make(map[any]bool)
	for _, entry := range entries {
		if entry.Values["t"] != nil {
			continue // a tick
		}
		payload, _ := entry.Values[EntryField].(string)
		if number := entry.Values[NumberField]; seen[number] || len(entry.Values) != 2 {
			t.Fatalf("the entry %v is there twice", number)
		} else {
			seen[number] = true
		}
		for _, got := range numbers(t, payload) {
			if got != want {
				t.Fatalf("message %d stands where %d should", got, want)
			}
			want++
		}
	}
	if want != n {
		t.Errorf("the stream has %d messages, want %d", want, n)
	}
}

func TestPermanentErrors(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	client.Set(t.Context(), "colors", "a string", 0)
	client.ACLSetUser(t.Context(), "mute", "on", ">pw", "+@all", "-publish", "~*", "&*")
	fails := func(name, url string, transport Transport, words string) {
		t.Helper()
		r := newRig(t, url, transport)
		r.add(0, 5)
		_, err := r.Flush(t.Context())
		if err == nil || !strings.Contains(err.Error(), words) ||
			strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %q", name, err, words)
		}
		if got := r.Counts(); got.Unsent != 5 || got.Published != 0 || r.Waiting() != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	fails("another type", server.URL(), Stream, "set REDIS_CHANNEL to another name")
	fails("no permission", "redis://mute:pw@"+server.Addr(), PubSub, "NOPERM")
	fails("wrong password", "redis://x:secret@"+server.Addr(), PubSub, "REDIS_URL takes them")
	fails("no such database", "redis://"+server.Addr()+"/99", PubSub, "DB index")
	client.ConfigSet(t.Context(), "requirepass", "pw")
	fails("no password", server.URL(), PubSub, "NOAUTH")
}

// waits checks that a publisher waits while Redis refuses, says so once, and goes on.
func waits(t *testing.T, r *rig, words string, enter, leave func()) {
	t.Helper()
	r.add(0, 10)
	r.flush(t)
	enter()
	r.add(10, 10)
	done := r.flushing(t)
	servicetest.Eventually(t, "two attempts failed", func() bool { return r.Counts().Errors >= 2 })
	if err := r.currentState(); err == nil || !strings.Contains(err.Error(), words) {
		t.Errorf("state: %v, want %q", err, words)
	}
	leave()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.Counts(); got.Published != 20 || got.Unsent != 0 || got.Unacknowledged != 0 {
		t.Errorf("%+v", got)
	}
	if r.log.Count("cannot publish") != 1 || r.log.Count("publishing again") != 1 {
		t.Errorf("log:\n%s", r.log)
	}
}

// What a real Redis can be brought to answer for a while, as an answer and as that of a script.
func TestTemporaryErrors(t *testing.T) {
	t.Parallel()
	for words, c := range map[string]struct{ enter, leave, stale string }{
		"OOM":        {"config set maxmemory 1", "config set maxmemory 0", "no"},
		"READONLY":   {"replicaof 127.0.0.1 1", "replicaof no one", "yes"},
		"MASTERDOWN": {"replicaof 127.0.0.1 1", "replicaof no one", "no"},
		"NOREPLICAS": {
			"config set min-replicas-to-write 1", "config set min-replicas-to-write 0", "no",
		},
	} {
		t.Run(words, func(t *testing.T) {
			t.Parallel()
			client := redistest.Start(t, "--replica-serve-stale-data", c.stale).Client()
			do := func(line string) {
				var args []any
				for word := range strings.FieldsSeq(line) {
					args = append(args, word)
				}
				if err := client.Do(t.Context(), args...).Err(); err != nil {
					t.Fatal(err)
				}
			}
			waits(t, newRig(t, "redis://"+client.Options().Addr, Stream), words,
				func() { do(c.enter) }, func() { do(c.leave) })
			checkStream(t, client, 20)
		})
	}
}

// The state names what Redis says now, not what it said first.
func TestNewestCause(t *testing.T) {
	t.Parallel()
	for _, transport := range []Transport{PubSub, Stream} {
		server := miniredis.RunT(t)
		r := newRig(t, "redis://"+server.Addr(), transport)
		waits(t, r, "OOM", func() {
			server.SetError("LOADING Redis is loading the dataset in memory")
			go func() {
				for r.currentState() == nil || r.Counts().Errors == 0 {
					time.Sleep(time.Millisecond)
				}
				server.SetError("OOM command not allowed")
			}()
		}, func() { server.SetError("") })
	}
}

// Whatever passes by itself is waited for, as an answer and as that of a script or transaction that
// it ended, and nothing else; of several errors, all must.
func TestTemporary(t *testing.T) {
	for text, want := range map[string]bool{
		"OOM command not allowed when used memory > 'maxmemory'.":                                true,
		"LOADING Redis is loading the dataset in memory":                                         true,
		"READONLY You can't write against a read only replica.":                                  true,
		"MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.": true,
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.":       true,
		"NOREPLICAS Not enough good replicas to write.":                                          true,
		"CLUSTERDOWN The cluster is down":                                                        true,
		"TRYAGAIN Multiple keys request during rehashing of slot":                                true,
		"BUSY Redis is busy running a script.":                                                   true,
		"ERR max number of clients reached":                                                      true,
		"MOVED 3999 127.0.0.1:6381":                                                              true,
		"UNBLOCKED instance state changed":                                                       true,
		"NOPERM this user has no permissions":                                                    false,
		"WRONGTYPE Operation against a key":                                                      false,
		"NOAUTH Authentication required.":                                                        false,
		"ERR unknown command":                                                                    false,
	} {
		for _, answer := range []redisError{
			redisError(text),
			redisError("ERR Error running script (call to f_1): @user_script:7: " + text),
			redisError(text + " script: f_1, on @user_script:7."),
			redisError("EXECABORT Transaction discarded because of: " + text),
		} {
			reset := errors.New("read: connection reset")
			if temporary(answer) != want || temporary(errors.Join(reset, answer)) != want {
				t.Errorf("%s: not temporary %v", answer, want)
			}
		}
	}
	if !temporary(errors.New("read: connection reset")) {
		t.Error("a broken connection is not temporary")
	}
}

func TestStreamMax(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	url, client := server.URL(), server.Client()
	r := newRig(t, url, Stream, func(o *Options) { o.StreamMax = 15 })
	r.add(0, 16)
	r.flush(t)
	r.add(16, 4)
	done := r.flushing(t)
	servicetest.Eventually(t, "it waits", func() bool { return r.Counts().Errors >= 2 })
	if n := client.XLen(t.Context(), "colors").Val(); n != 1 {
		t.Errorf("%d entries while it should wait", n)
	}
	if err := r.currentState(); err == nil ||
		!strings.Contains(err.Error(), "GENERATOR_STREAM_MAX=15") {
		t.Errorf("state: %v", err)
	}
	id := client.XRange(t.Context(), "colors", "-", "+").Val()[0].ID
	if err := client.HSet(t.Context(), "colors:worker", "position", id).Err(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := r.Counts(); got.Published != 20 || got.StreamWaiting != 4 {
		t.Errorf("%+v", got)
	}
}

// TestPartitions: a colour is always in its partition, and another number of partitions is
// rejected.
func TestPartitions(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	open := func(partitions int) *rig {
		return newRig(t, server.URL(), Stream, func(o *Options) { o.Partitions = partitions })
	}
	p := open(4)
	for i := range 400 {
		p.Add(message.Message{Color: fmt.Sprint("c", i%40), Value: float64(i)})
	}
	p.flush(t)
	p.Add(message.Message{Color: "c0"})
	p.flush(t) // no entries without a message
	total, entries := 0, 0
	for i := range 4 {
		for _, e := range client.XRange(t.Context(), fmt.Sprintf("colors:{%d}", i), "-", "+").Val() {
			entries++
			for payload := e.Values["m"].(string); payload != ""; total++ {
				m, n, err := message.Next(payload)
				if err != nil {
					t.Fatal(err)
				}
				if crc32.ChecksumIEEE([]byte(m.Color))%4 != uint32(i) {
					t.Errorf("%s is in partition %d", m.Color, i)
				}
				payload = payload[n:]
			}
		}
	}
	if total != 401 || entries != 5 {
		t.Errorf("%d messages in %d entries of all partitions", total, entries)
	}
	q := open(8)
	q.Add(message.Message{Color: "red"})
	if _, err := q.Flush(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "REDIS_PARTITIONS is 8, but the stream colors was begun with 4") {
		t.Errorf("another number of partitions: %v", err)
	}
}

// redisError is an answer of Redis.
type redisError string

func (e redisError) Error() string { return string(e) }
func (redisError) RedisError()     {}

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
		if got := r.Counts(); got.Unsent != 5 || got.Errors == 0 || got.Unacknowledged != 0 {
			t.Errorf("%+v", got)
		}
		if err := r.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
}

func TestProbe(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	url, client := server.URL(), server.Client()
	want := func(transport Transport, words string) {
		t.Helper()
		found, err := newRig(t, url, transport).Probe(t.Context())
		if err != nil || !strings.Contains(found, words) {
			t.Errorf("%s: %q, %v; want %q", transport, found, err, words)
		}
	}
	want(PubSub, `the channel "colors" has 0 subscribers`)
	want(Stream, `the stream "colors" has 1 partitions with 0 entries, and 0 workers`)
	client.XAdd(t.Context(), &redis.XAddArgs{Stream: "colors", Values: []string{"m", "{}"}})
	client.HSet(t.Context(), "colors:worker", "owner", "x")
	want(Stream, `the stream "colors" has 1 partitions with 1 entries, and 1 workers`)
	if _, err := newRig(t, "redis://127.0.0.1:1", PubSub).Probe(t.Context()); err == nil ||
		!strings.Contains(err.Error(), "127.0.0.1:1") {
		t.Errorf("no Redis: %v", err)
	}
}
