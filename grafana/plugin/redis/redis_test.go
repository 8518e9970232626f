package redis

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/generator/redisurl"
	"colorstream/generator/service/servicetest"
	"colorstream/worker/source"
)

// recorder is a Sink that remembers what it was told. Its methods have no lock of their own: the
// mutex is the test's, so that the race detector sees if two goroutines call them.
type recorder struct {
	unlocked int // written by every call, without the lock

	mu       sync.Mutex
	messages []string
	gaps     int
	events   []string
}

func (r *recorder) note(f func()) {
	r.unlocked++
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *recorder) Message(payload string) {
	r.note(func() { r.messages = append(r.messages, payload) })
}

func (r *recorder) Reject(reason, payload string)    { r.Message(reason + ": " + payload) }
func (r *recorder) Time(at int64, _ source.Position) { r.note(func() {}) }
func (r *recorder) Gap(from, to int64)               { r.note(func() { r.gaps++ }) }

func (r *recorder) State(err error) {
	r.note(func() {
		event := "lost"
		if err == nil {
			event = "connected"
		}
		if len(r.events) == 0 || r.events[len(r.events)-1] != event {
			r.events = append(r.events, event)
		}
	})
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *recorder) state() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.events, " ")
}

func (r *recorder) gapCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.gaps
}

// entryField is the field of a stream's entry that holds the messages.
const entryField = "m"

func at(url string) redisurl.Config { return redisurl.Config{URL: url} }

// start runs a source with one sink until the test ends.
func start(t *testing.T, cfg Config) *recorder {
	t.Helper()
	r := new(recorder)
	startMany(t, cfg, func() Sink { return r })
	return r
}

// startMany runs a source until the test ends, and checks that it then ends soon.
func startMany(t *testing.T, cfg Config, partition func() Sink) {
	t.Helper()
	cfg.Width = time.Second
	s, err := New(slog.New(slog.NewTextHandler(t.Output(), nil)), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, partition)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(2 * time.Second):
			t.Error("Run goes on 2 s after its end")
		}
	})
}

// repeat calls send again and again until the test ends.
func repeat(t *testing.T, send func()) {
	var done sync.WaitGroup
	done.Go(func() {
		for t.Context().Err() == nil {
			send()
			time.Sleep(20 * time.Millisecond)
		}
	})
	t.Cleanup(done.Wait)
}

// A stream is read from its end on, in order, and outside all groups. Redis may go, hang, or not be
// there yet: the reader goes on where it was, and what was added meanwhile is not lost.
func TestStream(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	c := server.Client()
	n := 0
	add := func() {
		t.Helper()
		for c.XAdd(t.Context(), &goredis.XAddArgs{
			Stream: "colors",
			Values: []any{"x", "y", entryField, n},
		}).Err() != nil {
			time.Sleep(time.Millisecond)
		}
		n++
	}
	add()
	server.Kill()
	r := start(t, Config{Redis: at(server.URL()), Channel: "colors", Stream: true})
	server.Restart()
	servicetest.Eventually(t, "reading", func() bool { return r.state() == "connected" })
	var want []string
	more := func(count int) {
		t.Helper()
		for range count {
			want = append(want, fmt.Sprint(n))
			add()
		}
	}
	arrived := func() bool { return len(r.got()) >= len(want) }
	more(2000)
	servicetest.Eventually(t, "all messages", arrived)
	for range 3 {
		server.Kill()
		server.Restart()
		more(1) // before the reader is back, as a rule
	}
	servicetest.Eventually(t, "all messages after restarts", arrived)
	servicetest.Eventually(t, "reading again", func() bool {
		return strings.HasSuffix(r.state(), "connected")
	})
	server.Stop()
	before := r.state()
	servicetest.Eventually(t, "a server that hangs is given up", func() bool {
		return r.state() == before+" lost"
	})
	server.Resume()
	more(1)
	servicetest.Eventually(t, "all messages after it hung", arrived)
	if diff := cmp.Diff(want, r.got()); diff != "" || r.gapCount() != 1 {
		t.Errorf("%d gaps, want the one before the beginning (-want +got):\n%s", r.gapCount(), diff)
	}
	groups, err := c.XInfoGroups(t.Context(), "colors").Result()
	if err != nil || len(groups) != 0 {
		t.Errorf("groups %v, %v", groups, err)
	}
}

// Partitions have a sink each, here on a cluster.
func TestPartitions(t *testing.T) {
	t.Parallel()
	const partitions = 8
	cluster := redistest.StartCluster(t)
	c := cluster.Client()
	if err := c.Set(t.Context(), "colors:partitions", partitions, 0).Err(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var sinks []*recorder
	startMany(t, Config{Redis: at(cluster.URL()), Channel: "colors", Stream: true}, func() Sink {
		mu.Lock()
		defer mu.Unlock()
		sinks = append(sinks, new(recorder))
		return sinks[len(sinks)-1]
	})
	each := func(want string, ok func(i int, r *recorder) bool) {
		t.Helper()
		servicetest.Eventually(t, want, func() bool {
			mu.Lock()
			defer mu.Unlock()
			for i, r := range sinks {
				if !ok(i, r) {
					return false
				}
			}
			return len(sinks) == partitions
		})
	}
	each("all are read", func(_ int, r *recorder) bool { return r.state() == "connected" })
	for i := range partitions {
		key := fmt.Sprintf("colors:{%d}", i)
		err := c.XAdd(t.Context(), &goredis.XAddArgs{Stream: key, Values: []any{entryField, i}}).Err()
		if err != nil {
			t.Fatal(err)
		}
	}
	each("each has its message", func(i int, r *recorder) bool {
		return slices.Equal(r.got(), []string{fmt.Sprint(i)})
	})
}

// tried tries settings that are wrong and gives what it says.
func tried(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Width = time.Second
	s, err := New(slog.New(slog.DiscardHandler), cfg)
	if err == nil {
		_, err = s.Probe(t.Context())
	}
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAProbeSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	const secret = "the-secret"
	locked := redistest.Start(t)
	if err := locked.Client().ConfigSet(t.Context(), "requirepass", "right").Err(); err != nil {
		t.Fatal(err)
	}
	open := redistest.Start(t)
	ctx := t.Context()
	c := open.Client()
	if err := c.XAdd(ctx, &goredis.XAddArgs{Stream: "s", Values: []string{entryField, "x"}}).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(ctx, "text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(ctx, "acl", "setuser", "mute", "on", ">"+secret, "+@all", "~*",
		"resetchannels").Err(); err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mute.Close() })
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hangsUp.Close() })
	go func() {
		for {
			nc, err := hangsUp.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Read(make([]byte, 4096))
			_ = nc.Close()
		}
	}()
	host := strings.TrimPrefix(open.URL(), "redis://")

	var trying sync.WaitGroup
	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no URL": {Config{Redis: at("http://x"), Channel: "c"}, "is not a Redis URL"},
		"broken URL": {
			Config{Redis: at("redis://:" + secret + "@bad host:1/0"), Channel: "c"},
			"is not a Redis URL",
		},
		"no channel": {Config{Redis: at(open.URL())}, "channel has no name"},
		"twice the same": {
			Config{Redis: at(open.URL()), Channel: "colors.*,*.red"}, "its messages would come twice",
		},
		"nobody listens": {
			Config{Redis: at("redis://127.0.0.1:1/0"), Channel: "c"},
			"127.0.0.1:1: nothing listens there: start Redis",
		},
		"no such host": {
			Config{Redis: at("redis://nowhere.invalid:6379/0"), Channel: "c"},
			"there is no such host",
		},
		"not answering": {
			Config{Redis: at("redis://" + mute.Addr().String()), Channel: "c"},
			"does not answer",
		},
		"hanging up": {
			Config{Redis: at("redis://" + hangsUp.Addr().String()), Channel: "c"},
			"write rediss://",
		},
		"no password": {Config{Redis: at(locked.URL()), Channel: "c"}, "Redis wants one"},
		"wrong password": {
			Config{Redis: at(locked.URL()), Password: secret, Channel: "c"},
			"wrong user or password",
		},
		"wrong password in URL": {Config{
			Redis:   at("redis://:" + secret + "@" + locked.Addr()),
			Channel: "c",
		}, "wrong user or password"},
		"no permission": {
			Config{Redis: at("redis://mute:" + secret + "@" + host), Channel: "c"},
			"may not read",
		},
		"no such database": {
			Config{Redis: at("redis://" + open.Addr() + "/99"), Channel: "c"},
			"no such database",
		},
		"no TLS there": {Config{Redis: at("rediss://" + open.Addr()), Channel: "c"}, "TLS"},
		"no publisher": {Config{Redis: at(open.URL()), Channel: "c"}, "start the generator"},
		"a stream instead": {
			Config{Redis: at(open.URL()), Channel: "s"},
			"choose the transport Stream",
		},
		"no stream": {
			Config{Redis: at(open.URL()), Channel: "c", Stream: true},
			`nothing came from the stream "c"`,
		},
		"no stream but a text": {
			Config{Redis: at(open.URL()), Channel: "text", Stream: true},
			"is no stream",
		},
	} {
		trying.Go(func() {
			got := tried(t, test.cfg)
			if !strings.Contains(got, test.want) {
				t.Errorf("%s: it says %q, want %q in it", name, got, test.want)
			}
			if strings.Contains(got, secret) {
				t.Errorf("%s: the password is in %q", name, got)
			}
		})
	}
	trying.Wait()
}

// Channels and patterns are received, as the worker does.
func TestSeveralChannels(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	r := start(t, Config{Redis: at(server.URL()), Channel: "colors.*, other"})
	servicetest.Eventually(t, "connected", func() bool {
		return strings.HasSuffix(r.state(), "connected")
	})
	for _, name := range []string{"colors.a", "other", "else", "colors.b"} {
		client.Publish(t.Context(), name, name)
	}
	want := []string{"colors.a", "other", "colors.b"}
	servicetest.Eventually(t, "three messages", func() bool { return slices.Equal(r.got(), want) })
	server.Kill()
	servicetest.Eventually(t, "lost", func() bool { return strings.HasSuffix(r.state(), "lost") })
}

func TestAProbeFindsMessages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	repeat(t, func() { c.Publish(t.Context(), "colors", "the message") })
	for _, fields := range [][]string{{entryField, "the entry"}, {"t", "1"}} { // a tick is no message
		if err := c.XAdd(t.Context(), &goredis.XAddArgs{Stream: "stream", Values: fields}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	for channel, want := range map[string]string{
		"colors": "the message", "col*, other": "the message",
		"stream": "the entry",
	} {
		s, err := New(slog.New(slog.DiscardHandler),
			Config{
				Redis: at(server.URL()), Channel: channel, Stream: channel == "stream",
				Width: time.Second,
			})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := s.Probe(t.Context())
		if err != nil || payload != want {
			t.Errorf("%s: %q, %v", channel, payload, err)
		}
		if got := s.Describe(); !strings.Contains(got, channel) || !strings.Contains(got, server.Addr()) {
			t.Errorf("described as %s", got)
		}
	}
}
