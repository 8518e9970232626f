package source

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

// startPubSub runs a source of channels, which change may change before, until it is subscribed.
func startPubSub(
	t *testing.T, address, channels string, width time.Duration, rec *recorder, change func(*PubSub),
) *PubSub {
	t.Helper()
	p := NewPubSub(testLog(t), &redis.Options{Addr: address}, strings.Split(channels, ","), width, 0,
		rec.state)
	if change != nil {
		change(p)
	}
	start(t, func(ctx context.Context) error { return p.Run(ctx, rec) })
	rec.wait("subscribed", func() bool { return slices.Contains(rec.states, nil) })
	return p
}

// TestPubSub runs against the real Redis and its stand-in.
func TestPubSub(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"redis":     redistest.Start(t).Addr(),
		"miniredis": miniredis.RunT(t).Addr(),
	} {
		t.Run(name, func(t *testing.T) {
			rec := newRecorder(t)
			startPubSub(t, address, "colors", time.Second, rec, nil)
			client := redis.NewClient(&redis.Options{Addr: address})
			defer client.Close()
			var want []string
			for i := range 2000 {
				want = append(want, fmt.Sprint(i))
				if err := client.Publish(t.Context(), "colors", want[i]).Err(); err != nil {
					t.Fatal(err)
				}
			}
			rec.waitCount(len(want))
			rec.mu.Lock()
			defer rec.mu.Unlock()
			if !slices.Equal(rec.payloads, want) {
				t.Error("not all messages came once and in order")
			}
			if len(rec.gaps) != 1 || rec.gaps[0][0] != 0 {
				t.Errorf("gaps %v, want one up to the subscription", rec.gaps)
			}
		})
	}
}

// TestTimeProvesMessages publishes as fast as it can: whatever Redis has taken before an instant
// that is told was handed on before it is told, and each border is told.
func TestTimeProvesMessages(t *testing.T) {
	t.Parallel()
	const width = 200 * time.Millisecond
	server := redistest.Start(t)
	rec := newRecorder(t)
	var mu sync.Mutex
	var taken []int64 // when each pipeline of a hundred was known to be taken
	told, borders := 0, 0
	rec.onTime = func(at int64) {
		mu.Lock()
		defer mu.Unlock()
		n, found := slices.BinarySearch(taken, at)
		if found {
			n++
		}
		if len(rec.payloads) < 100*n {
			t.Errorf("at %d %d messages were published, and %d received", at, 100*n, len(rec.payloads))
		}
		told++
		if at%int64(width) == 0 {
			borders++
		}
	}
	startPubSub(t, server.Addr(), "colors", width, rec, nil)
	client := server.Client()
	published := 0
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); published += 100 {
		_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
			for range 100 {
				p.Publish(t.Context(), "colors", "x")
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		taken = append(taken, time.Now().UnixNano())
		mu.Unlock()
	}
	rec.waitCount(published)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	t.Logf("%d messages, %d times told, %d of them borders", published, told, borders)
	if told < 10 || borders < 8 && len(rec.gaps) == 1 {
		t.Errorf("%d times were told in 2 s, %d of them borders", told, borders)
	}
}

func TestChannelsAndPatterns(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rec := newRecorder(t)
	startPubSub(t, server.Addr(), "a,b,c.*", time.Second, rec, nil)
	client := server.Client()
	for _, channel := range []string{"a", "b", "c.d", "c", "x"} {
		if err := client.Publish(t.Context(), channel, channel).Err(); err != nil {
			t.Fatal(err)
		}
	}
	rec.waitCount(3)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if want := []string{"a", "b", "c.d"}; !slices.Equal(rec.payloads, want) {
		t.Errorf("received %q, want %q", rec.payloads, want)
	}
}

// TestOutages kills Redis and the connection: each time a gap is told from before the loss to after
// the return, and time goes on meanwhile.
func TestOutages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rec := newRecorder(t)
	p := startPubSub(t, server.Addr(), "colors", 100*time.Millisecond, rec, nil)
	gapSince := func(what string, from int64, act func()) {
		t.Helper()
		act()
		rec.wait(what, func() bool {
			last := rec.gaps[len(rec.gaps)-1]
			return last[1] >= from && rec.states[len(rec.states)-1] == nil
		})
	}
	for i := range 3 {
		gapSince("back after CLIENT KILL", time.Now().UnixNano(), func() {
			if err := server.Client().Do(t.Context(), "client", "kill", "type", "pubsub").Err(); err != nil {
				t.Fatal(err)
			}
		})
		if n := p.Reconnects(); n != uint64(i+1) {
			t.Errorf("%d reconnects, want %d", n, i+1)
		}
	}
	server.Kill()
	rec.wait("the loss is told", func() bool { return rec.states[len(rec.states)-1] != nil })
	away := time.Now().UnixNano()
	rec.wait("time goes on without Redis", func() bool { return rec.now > away+second })
	gapSince("back after a restart", time.Now().UnixNano(), server.Restart)
	if err := server.Client().Publish(t.Context(), "colors", "again").Err(); err != nil {
		t.Fatal(err)
	}
	rec.waitCount(1)
}

// TestNotAllowed waits for a Redis that does not let this user subscribe.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	acl := func(rules ...any) {
		t.Helper()
		if err := client.Do(t.Context(), append([]any{
			"acl", "setuser", "worker", "reset", "on",
			">secret",
		}, rules...)...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	acl("+ping", "+hello", "+auth")
	rec := newRecorder(t)
	p := NewPubSub(testLog(t), &redis.Options{
		Addr: server.Addr(), Username: "worker",
		Password: "secret",
	},
		[]string{"colors"}, time.Second, 0, rec.state)
	start(t, func(ctx context.Context) error { return p.Run(ctx, rec) })
	rec.wait("denied twice", func() bool { return len(rec.states) >= 2 && rec.states[1] != nil })
	acl("&colors", "+subscribe", "+ping")
	rec.wait("subscribed", func() bool { return rec.states[len(rec.states)-1] == nil })
	if err := client.Publish(t.Context(), "colors", "x").Err(); err != nil {
		t.Fatal(err)
	}
	rec.waitCount(1)
}

// TestSilentLink gives a connection up that goes silent without closing, and what is told of the
// silence is a gap.
func TestSilentLink(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := redistest.NewProxy(t, "127.0.0.1", server.Addr())
	rec := newRecorder(t)
	p := startPubSub(t, proxy.Addr(), "colors", 100*time.Millisecond, rec,
		func(p *PubSub) { p.silentMost = 2 * time.Second })
	client := server.Client()
	time.Sleep(p.silentMost + time.Second) // nothing comes but answers to pings
	if p.Reconnects() != 0 {
		t.Error("a living connection was given up")
	}
	proxy.Silence(true)
	silent := time.Now()
	if err := client.Publish(t.Context(), "colors", "lost").Err(); err != nil {
		t.Fatal(err)
	}
	rec.wait("the connection is given up", func() bool { return rec.states[len(rec.states)-1] != nil })
	if took := time.Since(silent); took < p.silentMost/2 {
		t.Errorf("given up after %v", took)
	}
	proxy.Silence(false)
	rec.wait("subscribed again", func() bool { return rec.states[len(rec.states)-1] == nil })
	rec.mu.Lock()
	covered := false
	for _, g := range rec.gaps {
		covered = covered || g[0] <= silent.UnixNano() && silent.UnixNano() < g[1]
	}
	rec.mu.Unlock()
	if !covered {
		t.Errorf("no gap covers the silence: %v", rec.gaps)
	}
}

// A slowLink is a connection whose pings are held up on their way to Redis.
type slowLink struct {
	net.Conn
	hold *atomic.Int64
}

func (l slowLink) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("PING")) {
		time.Sleep(time.Duration(l.hold.Load()))
	}
	return l.Conn.Write(p)
}

// TestSlowPing: messages that are published while a border's ping is under way come before its
// answer, and would count in the window before. Nothing is told of the time of such a border.
func TestSlowPing(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	rec := newRecorder(t)
	var hold atomic.Int64
	startPubSub(t, server.Addr(), "colors", time.Second, rec, func(p *PubSub) {
		p.opt.Dialer = func(_ context.Context, network, address string) (net.Conn, error) {
			c, err := net.Dial(network, address)
			return slowLink{c, &hold}, err
		}
	})
	hold.Store(int64(600 * time.Millisecond))
	client := server.Client()
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := client.Publish(t.Context(), "colors", fmt.Sprint(time.Now().UnixNano())).Err(); err != nil {
			t.Fatal(err)
		}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	misplaced := 0
	for i, payload := range rec.payloads {
		published, _ := strconv.ParseInt(payload, 10, 64)
		border := published - published%second
		if published-border < int64(onTime) || rec.times[i] >= border || border > rec.now {
			continue
		}
		misplaced++
		if !slices.ContainsFunc(rec.gaps, func(g [2]int64) bool {
			return g[0] < border && border < g[1]
		}) {
			t.Errorf("a message was published %v after a border, counts before it, and no gap tells: %v",
				time.Duration(published-border), rec.gaps)
			return
		}
	}
	if misplaced == 0 {
		t.Error("no message came before the answer to an earlier ping")
	}
}

// TestClockIsSet sets the machine's clock forward, as after a sleep, and back, while messages come:
// what is told never goes back, the time that was jumped over is a gap, and no message is lost or
// comes twice. Set back, every border is told as before, at half the speed.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	const width, ahead = 100 * time.Millisecond, int64(time.Hour)
	server := redistest.Start(t)
	client := server.Client()
	rec := newRecorder(t)
	var set atomic.Int64
	borders := make(map[int64]int)
	rec.onTime = func(at int64) {
		if at%int64(width) == 0 {
			borders[at]++
		}
	}
	startPubSub(t, server.Addr(), "colors", width, rec, func(p *PubSub) {
		p.clock.wall = func(t time.Time) int64 { return t.UnixNano() + set.Load() }
	})
	published := 0
	publish := func(d time.Duration) {
		t.Helper()
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if err := client.Publish(t.Context(), "colors", fmt.Sprint(published)).Err(); err != nil {
				t.Fatal(err)
			}
			published++
		}
	}
	publish(500 * time.Millisecond)
	set.Store(ahead)
	before := time.Now().UnixNano()
	publish(time.Second)
	rec.mu.Lock()
	covered := slices.ContainsFunc(rec.gaps,
		func(g [2]int64) bool { return g[0] <= before && g[1] >= before+ahead-second })
	rec.mu.Unlock()
	if !covered {
		t.Errorf("set forward: no gap covers the hour: %v", rec.gaps)
	}
	set.Store(0) // an hour back
	rec.mu.Lock()
	from := rec.now
	clear(borders)
	rec.mu.Unlock()
	publish(2 * time.Second)
	rec.waitCount(published)
	rec.mu.Lock()
	defer rec.mu.Unlock()
	for i, payload := range rec.payloads {
		if payload != fmt.Sprint(i) {
			t.Fatalf("message %d is %s", i, payload)
		}
	}
	passed := rec.now - from
	if passed < second/2 || passed > 2*second {
		t.Errorf("set back: %v passed in two seconds, want about one", time.Duration(passed))
	}
	if n := int64(len(borders)); n < passed/int64(width)/2 {
		t.Errorf("set back: %d borders were told in %v", n, time.Duration(passed))
	}
}

// TestStamp marks a ping that is sent too late for its border.
func TestStamp(t *testing.T) {
	const ms, width = int64(time.Millisecond), 5 * time.Second
	for _, c := range []struct {
		now, border int64
		payload     string
		passed      bool
	}{
		{4999 * ms, 5000 * ms, "4999000000", false},
		{5000 * ms, 5000 * ms, "5000000000", true},
		{5250 * ms, 5000 * ms, "5000000000", true},
		{5251 * ms, 5000 * ms, "5251000000!", true},
		{12000 * ms, 5000 * ms, "12000000000!", true},
	} {
		if payload, passed := stamp(c.now, c.border, width); payload != c.payload || passed != c.passed {
			t.Errorf("stamp(%d, %d) = %q, %v; want %q, %v", c.now, c.border, payload, passed, c.payload,
				c.passed)
		}
	}
	if payload, _ := stamp(25*ms, 10*ms, 10*time.Millisecond); payload != "25000000!" {
		t.Errorf("two borders at once: %q", payload)
	}
}

// TestLatePong tells of a border that this process missed.
func TestLatePong(t *testing.T) {
	rec := newRecorder(t)
	p := NewPubSub(testLog(t), &redis.Options{}, []string{"colors"}, 5*time.Second, 0, rec.state)
	p.sink, p.now = rec, 4*second
	p.pong("5000000000#1")
	p.pong("12000000000!#2")
	p.pong("nonsense")
	p.pong("11000000000#3")
	p.pong("13000000000#5") // the fourth was lost
	p.pong("14000000000#6")
	if rec.now != 14*second || !slices.Equal(rec.gaps,
		[][2]int64{{5 * second, 12 * second}, {12 * second, 13 * second}}) {
		t.Errorf("now %d, gaps %v", rec.now, rec.gaps)
	}
}
