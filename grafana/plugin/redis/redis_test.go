package redis

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// recorder is a sink that remembers what it was told. Its methods have no lock of their own: the mutex is the
// test's, so that the race detector sees if two goroutines call them.
type recorder struct {
	unlocked int // written by every call, without the lock

	mu       sync.Mutex
	messages []string
	times    []int64
	events   []string
	ticks    int
}

func (r *recorder) Now() int64 { return time.Now().UnixNano() }

func (r *recorder) note(f func()) {
	r.unlocked++
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *recorder) Message(payload string, at int64) {
	r.note(func() { r.messages, r.times = append(r.messages, payload), append(r.times, at) })
}
func (r *recorder) Heard(int64) { r.note(func() { r.events = append(r.events, "heard") }) }

func (r *recorder) Lost(int64) {
	r.note(func() {
		if len(r.events) == 0 || r.events[len(r.events)-1] != "lost" {
			r.events = append(r.events, "lost")
		}
	})
}

func (r *recorder) Tick(now int64) int64 {
	r.note(func() { r.ticks++ })
	return now + int64(20*time.Millisecond)
}

func (r *recorder) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.messages)
}

func (r *recorder) heard() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.events, " ")
}

func (r *recorder) ticked() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ticks
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// testPing makes the tests of silence short.
const testPing = time.Second

// start runs a source until the test ends, and checks that it then ends soon.
func start(t *testing.T, cfg Config) *recorder {
	t.Helper()
	s, err := New(slog.New(slog.NewTextHandler(t.Output(), nil)), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.pingEvery = testPing
	s.opt.ReadTimeout = 2 * testPing
	r := new(recorder)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.Run(ctx, r)
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(2 * time.Second):
			t.Error("Run goes on 2 s after its end")
		}
	})
	return r
}

// both runs a test over both transports. send sends a message.
func both(t *testing.T, test func(t *testing.T, stream bool, send func(c *goredis.Client, m string) error)) {
	ctx := context.Background()
	t.Run("pubsub", func(t *testing.T) {
		t.Parallel()
		test(t, false, func(c *goredis.Client, m string) error { return c.Publish(ctx, "colors", m).Err() })
	})
	t.Run("stream", func(t *testing.T) {
		t.Parallel()
		test(t, true, func(c *goredis.Client, m string) error {
			return c.XAdd(ctx, &goredis.XAddArgs{Stream: "colors", Values: []string{"x", "y", entryField, m}}).Err()
		})
	})
}

func TestEveryMessageArrivesInOrderAndOnlyNewOnes(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, stream bool, send func(*goredis.Client, string) error) {
		server := redistest.Start(t)
		c := server.Client()
		if err := send(c, "before"); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		r := start(t, Config{URL: server.URL(), Channel: "colors", Stream: stream})
		eventually(t, "subscribed", func() bool { return r.heard() == "heard" })
		var want []string
		for i := range 5_000 {
			want = append(want, fmt.Sprint("message ", i))
			if err := send(c, want[i]); err != nil {
				t.Fatal(err)
			}
		}
		eventually(t, "all messages", func() bool { return len(r.got()) >= len(want) })
		if diff := cmp.Diff(want, r.got()); diff != "" {
			t.Error(diff)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if !slices.IsSorted(r.times) || r.times[0] < begun.Add(-time.Second).UnixNano() || r.times[0] > time.Now().UnixNano() {
			t.Errorf("times from %d to %d", r.times[0], r.times[len(r.times)-1])
		}
		// Ticks come while messages do.
		if least := int(time.Since(begun)/(20*time.Millisecond)) / 20; r.ticks < least {
			t.Errorf("%d ticks in %v", r.ticks, time.Since(begun))
		}
	})
}

func TestTicksComeInSilenceAndAnIdleConnectionLives(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, stream bool, send func(*goredis.Client, string) error) {
		server := redistest.Start(t)
		r := start(t, Config{URL: server.URL(), Channel: "colors", Stream: stream})
		eventually(t, "subscribed", func() bool { return r.heard() == "heard" })
		before, begun := r.ticked(), time.Now()
		eventually(t, "many ticks", func() bool { return r.ticked() > before+100 })
		if took := time.Since(begun); took < time.Second {
			t.Errorf("100 ticks of 20 ms in %v", took)
		}
		// Longer than until a ping has to be answered.
		time.Sleep(3 * testPing)
		if got := r.heard(); got != "heard" {
			t.Errorf("after a silence: %s", got)
		}
		if err := send(server.Client(), "at last"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the message", func() bool { return len(r.got()) == 1 })
	})
}

func TestARestartOfRedisIsALossAndThenItGoesOn(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, stream bool, send func(*goredis.Client, string) error) {
		server := redistest.Start(t)
		r := start(t, Config{URL: server.URL(), Channel: "colors", Stream: stream})
		eventually(t, "subscribed", func() bool { return r.heard() == "heard" })
		server.Kill()
		eventually(t, "lost", func() bool { return r.heard() == "heard lost" })
		before := r.ticked()
		eventually(t, "ticks meanwhile", func() bool { return r.ticked() > before+20 })
		server.Restart()
		eventually(t, "back", func() bool { return r.heard() == "heard lost heard" })
		if err := send(server.Client(), "after"); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the message", func() bool { return len(r.got()) == 1 })
	})
}

func TestAServerThatHangsIsGivenUp(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, stream bool, _ func(*goredis.Client, string) error) {
		server := redistest.Start(t)
		r := start(t, Config{URL: server.URL(), Channel: "colors", Stream: stream})
		eventually(t, "subscribed", func() bool { return r.heard() == "heard" })
		server.Stop()
		defer server.Resume()
		eventually(t, "lost", func() bool { return r.heard() == "heard lost" })
		server.Resume()
		eventually(t, "back", func() bool { return r.heard() == "heard lost heard" })
	})
}

func TestAStreamIsReadOutsideAllGroups(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	r := start(t, Config{URL: server.URL(), Channel: "colors", Stream: true})
	eventually(t, "reading", func() bool { return r.heard() == "heard" })
	if err := c.XAdd(t.Context(), &goredis.XAddArgs{Stream: "colors", Values: []string{entryField, "x"}}).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool { return len(r.got()) == 1 })
	groups, err := c.XInfoGroups(t.Context(), "colors").Result()
	if err != nil || len(groups) != 0 {
		t.Errorf("groups %v, %v", groups, err)
	}
}

func TestItWaitsForARedisThatIsNotThereYet(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, stream bool, _ func(*goredis.Client, string) error) {
		server := redistest.Start(t)
		server.Kill()
		r := start(t, Config{URL: server.URL(), Channel: "colors", Stream: stream})
		eventually(t, "lost", func() bool { return r.heard() == "lost" })
		server.Restart()
		eventually(t, "there", func() bool { return r.heard() == "lost heard" })
	})
}

// probe tries settings that are wrong and gives what it says.
func probe(t *testing.T, cfg Config) string {
	t.Helper()
	s, err := New(slog.New(slog.DiscardHandler), cfg)
	if err == nil {
		_, _, err = s.Probe(t.Context())
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
	if err := c.Do(ctx, "acl", "setuser", "deaf", "on", ">"+secret, "+@all", "~*", "resetchannels").Err(); err != nil {
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
			_ = nc.Close()
		}
	}()
	host := strings.TrimPrefix(open.URL(), "redis://")

	for name, test := range map[string]struct {
		cfg  Config
		want string
	}{
		"no URL":                {Config{URL: "http://x", Channel: "c"}, "write redis://"},
		"broken URL":            {Config{URL: "redis://:" + secret + "@bad host:1/0", Channel: "c"}, "URL is not understood"},
		"no channel":            {Config{URL: open.URL()}, "channel has no name"},
		"nobody listens":        {Config{URL: "redis://127.0.0.1:1/0", Channel: "c"}, "nothing listens at 127.0.0.1:1: start Redis"},
		"no such host":          {Config{URL: "redis://nowhere.invalid:6379/0", Channel: "c"}, `there is no host "nowhere.invalid"`},
		"not answering":         {Config{URL: "redis://" + mute.Addr().String(), Channel: "c"}, "does not answer"},
		"hanging up":            {Config{URL: "redis://" + hangsUp.Addr().String(), Channel: "c"}, "write rediss://"},
		"no password":           {Config{URL: locked.URL(), Channel: "c"}, "Redis wants one"},
		"wrong password":        {Config{URL: locked.URL(), Password: secret, Channel: "c"}, "wrong user or password"},
		"wrong password in URL": {Config{URL: "redis://:" + secret + "@" + locked.Addr(), Channel: "c"}, "wrong user or password"},
		"no permission":         {Config{URL: "redis://deaf:" + secret + "@" + host, Channel: "c"}, "may not read"},
		"no such database":      {Config{URL: "redis://" + open.Addr() + "/99", Channel: "c"}, "no such database"},
		"no TLS there":          {Config{URL: "rediss://" + open.Addr(), Channel: "c"}, "TLS"},
		"no publisher":          {Config{URL: open.URL(), Channel: "c"}, "start the generator"},
		"a stream instead":      {Config{URL: open.URL(), Channel: "s"}, "choose the transport Stream"},
		"no stream":             {Config{URL: open.URL(), Channel: "c", Stream: true}, "is empty or not there"},
		"no stream but a text":  {Config{URL: open.URL(), Channel: "text", Stream: true}, "is no stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := probe(t, test.cfg)
			if !strings.Contains(got, test.want) {
				t.Errorf("it says %q, want %q in it", got, test.want)
			}
			if strings.Contains(got, secret) {
				t.Errorf("the password is in %q", got)
			}
		})
	}
}

func TestAProbeFindsMessages(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	c := goredis.NewClient(&goredis.Options{Addr: server.Addr()})
	defer c.Close()
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				server.Publish("colors", "the message")
			}
		}
	}()
	if err := c.XAdd(t.Context(), &goredis.XAddArgs{Stream: "stream", Values: []string{entryField, "the entry"}}).Err(); err != nil {
		t.Fatal(err)
	}
	for channel, want := range map[string]string{"colors": "the message", "stream": "the entry"} {
		s, err := New(slog.New(slog.DiscardHandler), Config{URL: "redis://" + server.Addr(), Channel: channel, Stream: channel == "stream"})
		if err != nil {
			t.Fatal(err)
		}
		payload, age, err := s.Probe(t.Context())
		if err != nil || payload != want || age > time.Minute {
			t.Errorf("%s: %q, %v, %v", channel, payload, age, err)
		}
		if got := s.Describe(); !strings.Contains(got, channel) || !strings.Contains(got, server.Addr()) {
			t.Errorf("described as %s", got)
		}
	}
}

func TestNoPasswordIsLogged(t *testing.T) {
	t.Parallel()
	var log lockedText
	s, err := New(slog.New(slog.NewTextHandler(&log, nil)), Config{URL: "redis://user:the-secret@127.0.0.1:1/0", Channel: "colors"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	s.Run(ctx, new(recorder))
	if text := log.String(); !strings.Contains(text, "Redis is away") || strings.Contains(text, "the-secret") {
		t.Errorf("log: %s", text)
	}
}

// A lockedText is what was written to it.
type lockedText struct {
	mu sync.Mutex
	b  strings.Builder
}

var _ io.Writer = (*lockedText)(nil)

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
