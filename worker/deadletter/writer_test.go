package deadletter

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"colorstream/generator/redistest"
)

// memory is a Queue. An error is returned once for each call that it has.
type memory struct {
	mu      sync.Mutex
	batches []Batch
	removed int
	errors  []error
	more    chan struct{}
}

func newMemory() *memory { return &memory{more: make(chan struct{}, 1)} }

func (m *memory) add(letters ...Letter) {
	var data []byte
	for _, l := range letters {
		data = l.Append(data)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches = append(m.batches, Batch{fmt.Sprint(m.removed + len(m.batches)), data})
	select {
	case m.more <- struct{}{}:
	default:
	}
}

func (m *memory) fail() (err error) {
	if len(m.errors) > 0 {
		err, m.errors = m.errors[0], m.errors[1:]
	}
	return err
}

func (m *memory) Oldest(context.Context) ([]Batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(); err != nil {
		return nil, err
	}
	return slices.Clone(m.batches[:min(2, len(m.batches))]), nil
}

func (m *memory) Remove(_ context.Context, ids []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail(); err != nil {
		return err
	}
	for _, id := range ids {
		if id != m.batches[0].ID {
			return errors.New("removed in another order")
		}
		m.batches, m.removed = m.batches[1:], m.removed+1
	}
	return nil
}

func (m *memory) More() <-chan struct{} { return m.more }

func (m *memory) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.batches)
}

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// start runs a Writer until stop, or the test's end.
func start(t *testing.T, client redis.UniversalClient, queue *memory) (
	seen *counts, log *buffer, stop func(),
) {
	seen, log = new(counts), new(buffer)
	w := NewWriter(slog.New(slog.NewTextHandler(log, nil)), client, "colors:rejected", seen)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx, queue) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return seen, log, stop
}

func wait(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func letter(payload string) Letter { return Letter{Reason: "json", Payload: payload, At: at} }

// client makes a client as NewWriter asks for it.
func client(
	t *testing.T, server *redistest.Server, change ...func(*redis.UniversalOptions),
) redis.UniversalClient {
	t.Helper()
	o := &redis.UniversalOptions{
		Addrs: []string{server.Addr()}, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		ReadTimeout: 300 * time.Millisecond,
	}
	for _, c := range change {
		c(o)
	}
	client := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestEntries(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	queue := newMemory()
	var many []Letter
	for i := range 2*pipeline + 3 {
		many = append(many, letter(fmt.Sprint(i)))
	}
	queue.add(letter("\xff\x00\n"))
	queue.add(many...)
	seen, _, stop := start(t, client(t, server), queue)
	wait(t, "all are removed", func() bool { return queue.waiting() == 0 })
	queue.add(letter("last"))
	wait(t, "the signal of the queue is received", func() bool { return queue.waiting() == 0 })
	stop()
	got := server.Client().XRange(t.Context(), "colors:rejected", "-", "+").Val()
	if len(got) != len(many)+2 || seen.written.Load() != int64(len(got)) || seen.dropped.Load() != 0 {
		t.Fatalf("%d entries, %d written, %d dropped", len(got), seen.written.Load(), seen.dropped.Load())
	}
	want := map[string]any{"reason": "json", "payload": "\xff\x00\n", "at": "2026-01-02T03:04:05.678Z"}
	if diff := gocmp.Diff(want, got[0].Values); diff != "" {
		t.Errorf("the first entry (-want +got):\n%s", diff)
	}
	if got[1].Values["payload"] != "0" || got[len(got)-1].Values["payload"] != "last" {
		t.Errorf("not in order: %v … %v", got[1], got[len(got)-1])
	}
	for range 3 {
		queue.add(slices.Repeat([]Letter{letter("x")}, 7000)...)
	}
	_, _, _ = start(t, client(t, server), queue)
	wait(t, "all are removed", func() bool { return queue.waiting() == 0 })
	if n := server.Client().XLen(t.Context(), "colors:rejected").Val(); n < 10_000 || n > 10_200 {
		t.Errorf("the stream has %d entries", n)
	}
}

// Redis rejects for a while, or is away. Letters wait, that is said once, and they are written.
func TestTemporary(t *testing.T) {
	t.Parallel()
	config := func(values ...string) func(*testing.T, *redis.Client) {
		return func(t *testing.T, c *redis.Client) {
			for i := 0; i < len(values); i += 2 {
				if err := c.ConfigSet(t.Context(), values[i], values[i+1]).Err(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	do := func(args ...any) func(*testing.T, *redis.Client) {
		return func(t *testing.T, c *redis.Client) {
			if err := c.Do(t.Context(), args...).Err(); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		name         string
		args         []string
		begin, end   func(*testing.T, *redis.Client)
		server       func(begin bool, s *redistest.Server)
		text, either string // in the log
	}{
		{name: "OOM", begin: config("maxmemory", "1"), end: config("maxmemory", "0"), text: "OOM"},
		{
			name: "NOREPLICAS", begin: config("min-replicas-to-write", "1"),
			end: config("min-replicas-to-write", "0"), text: "NOREPLICAS",
		},
		{
			name: "READONLY", begin: do("replicaof", "127.0.0.1", "1"),
			end: do("replicaof", "no", "one"), text: "READONLY",
		},
		{
			name: "MASTERDOWN", args: []string{"--replica-serve-stale-data", "no"},
			begin: do("replicaof", "127.0.0.1", "1"), end: do("replicaof", "no", "one"),
			text: "MASTERDOWN", either: "READONLY",
		},
		{
			name: "CLUSTERDOWN", args: []string{"--cluster-enabled", "yes"}, text: "CLUSTERDOWN",
			end: do("cluster", "addslotsrange", "0", "16383"),
		},
		{name: "MISCONF", begin: func(t *testing.T, c *redis.Client) {
			dir := c.ConfigGet(t.Context(), "dir").Val()["dir"]
			if err := os.Mkdir(filepath.Join(dir, "dump.rdb"), 0o700); err != nil {
				t.Fatal(err)
			}
			config("save", "3600 1")(t, c)
			do("bgsave")(t, c)
			wait(t, "saving fails", func() bool {
				info := c.Info(t.Context(), "persistence").Val()
				return strings.Contains(info, "rdb_last_bgsave_status:err")
			})
		}, end: config("stop-writes-on-bgsave-error", "no"), text: "MISCONF"},
		{name: "hangs", server: func(begin bool, s *redistest.Server) {
			if begin {
				s.Stop()
			} else {
				s.Resume()
			}
		}, text: "i/o timeout"},
		{name: "is killed", server: func(begin bool, s *redistest.Server) {
			if begin {
				s.Kill()
			} else {
				s.Restart()
			}
		}, text: "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, c.args...)
			if c.begin != nil {
				c.begin(t, server.Client())
			}
			if c.server != nil {
				c.server(true, server)
			}
			queue := newMemory()
			queue.add(letter("1"))
			seen, log, _ := start(t, client(t, server), queue)
			wait(t, "it is said", func() bool { return strings.Contains(log.String(), "dead letters wait") })
			time.Sleep(retryEvery + retryEvery/10) // another try
			if n := strings.Count(log.String(), "wait"); n != 1 || queue.waiting() != 1 {
				t.Errorf("said %d times, %d batches wait\n%s", n, queue.waiting(), log)
			}
			if text := log.String(); !strings.Contains(text, c.text) &&
				(c.either == "" || !strings.Contains(text, c.either)) {
				t.Errorf("no %s in the log:\n%s", c.text, log)
			}
			if c.end != nil {
				c.end(t, server.Client())
			}
			if c.server != nil {
				c.server(false, server)
			}
			wait(t, "the letter is written", func() bool { return queue.waiting() == 0 })
			if seen.written.Load() != 1 || seen.dropped.Load() != 0 ||
				!strings.Contains(log.String(), "written again") {
				t.Errorf("%d written, %d dropped\n%s", seen.written.Load(), seen.dropped.Load(), log)
			}
		})
	}
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	check := func(want bool, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if got := permanent(fmt.Errorf("add: %w", reply(text))); got != want {
				t.Errorf("%s: permanent is %v", text, got)
			}
		}
	}
	const inScript = "ERR Error running script (call to f_1): @user_script:1: -"
	const inTransaction = "EXECABORT Transaction discarded because of: "
	for _, text := range []string{
		"OOM command not allowed when used memory > 'maxmemory'.",
		"LOADING Redis is loading the dataset in memory",
		"READONLY You can't write against a read only replica.",
		"MISCONF Errors writing to the AOF file: No space left on device",
		"MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
		"NOREPLICAS Not enough good replicas to write.",
		"CLUSTERDOWN Hash slot not served",
		"TRYAGAIN Multiple keys request during rehashing of slot",
	} {
		check(false, text, inScript+text, inTransaction+text)
	}
	check(false, "ERR max number of clients reached",
		"BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
	check(true, "NOPERM User worker has no permissions to run the 'xadd' command",
		"WRONGTYPE Operation against a key holding the wrong kind of value",
		"NOAUTH Authentication required.", "ERR unknown command 'XADD'",
		"WRONGPASS invalid username-password pair or user is disabled.")
	if permanent(&net.OpError{Op: "dial"}) {
		t.Error("no connection is permanent")
	}

	server := redistest.Start(t)
	admin := server.Client()
	acl := []any{"acl", "setuser", "poor", "on", "nopass", "~*", "+@all", "-xadd"}
	if err := admin.Do(t.Context(), acl...).Err(); err != nil {
		t.Fatal(err)
	}
	if err := admin.Set(t.Context(), "text", "no stream", 0).Err(); err != nil {
		t.Fatal(err)
	}
	for stream, user := range map[string]string{"text": "", "colors:rejected": "poor"} {
		c := client(t, server, func(o *redis.UniversalOptions) { o.Username, o.Password = user, user })
		w := NewWriter(slog.New(slog.DiscardHandler), c, stream, new(counts))
		rest, err := w.add(t.Context(), []Letter{letter("1"), letter("2")})
		if !permanent(err) || len(rest) != 2 {
			t.Errorf("%s: %v, %d of 2 are left", stream, err, len(rest))
		}
		t.Log(err)
	}
}

// reply is an error that Redis answers.
type reply string

func (r reply) Error() string { return string(r) }
func (reply) RedisError()     {}

// answers replaces the network: each XADD is answered with what err returns.
type answers struct{ err func(n int) error }

func (answers) DialHook(redis.DialHook) redis.DialHook          { return nil }
func (answers) ProcessHook(redis.ProcessHook) redis.ProcessHook { return nil }
func (a answers) ProcessPipelineHook(redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(_ context.Context, cmds []redis.Cmder) (first error) {
		for i, cmd := range cmds {
			if err := a.err(i); err != nil {
				cmd.SetErr(err)
				first = cmp.Or(first, err)
			}
		}
		return first
	}
}

func startFake(t *testing.T, queue *memory, err func(n int) error) (*counts, *buffer, func()) {
	client := redis.NewClient(&redis.Options{ // its own goroutines would resolve names
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	client.AddHook(answers{err})
	seen, log, stop := start(t, client, queue)
	return seen, log, func() { stop(); _ = client.Close() }
}

// Redis rejects for good: the letters wait a minute, and further ones are dropped at once.
func TestDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := newMemory()
		var err atomic.Value
		err.Store(reply("NOPERM no"))
		seen, log, stop := startFake(t, queue, func(int) error {
			if r := err.Load().(reply); r != "" {
				return r
			}
			return nil
		})
		queue.add(letter("1"), letter("2"))
		time.Sleep(dropAfter - time.Second/2)
		if queue.waiting() != 1 || seen.dropped.Load() != 0 || strings.Count(log.String(), "wait") != 1 {
			t.Errorf("before the end: %d wait, %d dropped\n%s", queue.waiting(), seen.dropped.Load(), log)
		}
		time.Sleep(time.Second)
		queue.add(letter("3"))
		synctest.Wait()
		if n := seen.dropped.Load(); queue.waiting() != 0 || n != 3 ||
			!strings.Contains(log.String(), "dropped=true") {
			t.Errorf("after it: %d wait, %d dropped\n%s", queue.waiting(), n, log)
		}
		for range 600 {
			queue.add(letter("4"))
			time.Sleep(time.Second)
		}
		if n := strings.Count(log.String(), "wait"); n < 10 || n > 12 {
			t.Errorf("said %d times in eleven minutes\n%s", n, log)
		}
		err.Store(reply("OOM no")) // not for good: they wait again
		queue.add(letter("5"))
		time.Sleep(time.Hour)
		err.Store(reply("NOPERM no")) // and the minute begins anew
		time.Sleep(dropAfter / 2)
		if queue.waiting() != 1 {
			t.Errorf("%d wait", queue.waiting())
		}
		err.Store(reply(""))
		time.Sleep(time.Minute)
		if n := seen.written.Load(); queue.waiting() != 0 || n != 1 || seen.dropped.Load() != 603 {
			t.Errorf("%d wait, %d written, %d dropped", queue.waiting(), n, seen.dropped.Load())
		}
		stop()
	})
}

// Letters of a pipeline that broke off are not written twice, nor when the store fails.
func TestOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := newMemory()
		var full atomic.Bool
		full.Store(true)
		seen, log, stop := startFake(t, queue, func(n int) error {
			if full.Load() && n >= 3 {
				return reply("OOM no")
			}
			return nil
		})
		queue.errors = []error{errors.New("disk"), nil, errors.New("disk"), errors.New("disk")}
		queue.add(slices.Repeat([]Letter{letter("x")}, 10)...)
		time.Sleep(1500 * time.Millisecond)
		if seen.written.Load() != 3 {
			t.Errorf("%d written", seen.written.Load())
		}
		full.Store(false)
		time.Sleep(time.Minute)
		if seen.written.Load() != 10 || queue.waiting() != 0 {
			t.Errorf("%d written, %d wait\n%s", seen.written.Load(), queue.waiting(), log)
		}
		damaged := letter("bad").Append(letter("good").Append(nil))
		damaged[len(damaged)-2] ^= 1
		queue.batches = append(queue.batches, Batch{"1", damaged})
		queue.more <- struct{}{}
		synctest.Wait()
		if seen.written.Load() != 11 || seen.dropped.Load() != 1 || queue.waiting() != 0 {
			t.Errorf("damage: %d written, %d dropped", seen.written.Load(), seen.dropped.Load())
		}
		stop()
	})
}

// A Writer that is to stop tries once more, and leaves the rest in the queue.
func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := newMemory()
		err := errors.New("no connection")
		seen, log, stop := startFake(t, queue, func(int) error { return err })
		queue.add(letter("1"))
		time.Sleep(time.Minute)
		start := time.Now()
		stop()
		if queue.waiting() != 1 || time.Since(start) != 0 || seen.dropped.Load() != 0 {
			t.Errorf("%d wait after %v", queue.waiting(), time.Since(start))
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("the log has %d lines:\n%s", n, log)
		}
		seen, _, stop = startFake(t, queue, func(int) error { return nil })
		queue.add(letter("2"))
		stop()
		if queue.waiting() != 0 || seen.written.Load() != 2 {
			t.Errorf("%d wait, %d written", queue.waiting(), seen.written.Load())
		}
	})
}
