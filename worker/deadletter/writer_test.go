package deadletter

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

func letter(payload string) Letter { return Letter{Reason: "json", Payload: payload, At: at} }

func encode(letters ...Letter) (data []byte) {
	for _, l := range letters {
		data = l.Append(data)
	}
	return data
}

// newWriter makes a Writer to a real Redis.
func newWriter(t *testing.T, server *redistest.Server, hooks ...redis.Hook) (*Writer, *counts) {
	t.Helper()
	client := redis.NewClient(&redis.Options{
		Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		ReadTimeout: 300 * time.Millisecond,
	})
	t.Cleanup(func() { _ = client.Close() })
	for _, h := range hooks {
		client.AddHook(h)
	}
	seen := new(counts)
	node := func(context.Context, string) (*redis.Client, error) { return client, nil }
	return NewWriter(slog.New(slog.NewTextHandler(t.Output(), nil)), node, "colors:rejected", 0,
		seen.write, seen.drop), seen
}

// once tries an act once.
func once(act func() error) error { return act() }

func TestEntries(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w, seen := newWriter(t, server)
	many := []Letter{letter("\xff\x00\n")}
	for i := range 2*pipeline + 3 {
		many = append(many, letter(fmt.Sprint(i)))
	}
	damaged := encode(letter("good"), letter("bad"))
	damaged[len(damaged)-2] ^= 1
	for _, data := range [][]byte{encode(many...), damaged} {
		if err := w.Write(t.Context(), once, data); err != nil {
			t.Fatal(err)
		}
	}
	got := server.Client().XRange(t.Context(), "colors:rejected", "-", "+").Val()
	if len(got) != len(many)+1 || seen.written != len(got) || seen.dropped != 1 {
		t.Fatalf("%d entries, %d written, %d dropped", len(got), seen.written, seen.dropped)
	}
	want := map[string]any{"reason": "json", "payload": "\xff\x00\n", "at": "2026-01-02T03:04:05.678Z"}
	if diff := cmp.Diff(want, got[0].Values); diff != "" {
		t.Errorf("the first entry (-want +got):\n%s", diff)
	}
	if got[1].Values["payload"] != "0" || got[len(got)-1].Values["payload"] != "good" {
		t.Errorf("not in order: %v … %v", got[1], got[len(got)-1])
	}
	for range 3 {
		if err := w.Write(t.Context(), once, encode(slices.Repeat(many[:1], 7000)...)); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Client().XLen(t.Context(), "colors:rejected").Val(); n < 10_000 || n > 10_200 {
		t.Errorf("the stream has %d entries", n)
	}
}

// Redis rejects letters, hangs or is away: they are written when it takes them, each once.
func TestRedisFails(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	set := func(memory string) {
		t.Helper()
		if err := server.Client().ConfigSet(t.Context(), "maxmemory", memory).Err(); err != nil {
			t.Fatal(err)
		}
	}
	w, seen := newWriter(t, server)
	for _, c := range []struct {
		name       string
		begin, end func()
	}{
		{"no memory", func() { set("1") }, func() { set("0") }},
		{"hangs", server.Stop, server.Resume},
		{"is killed", server.Kill, func() { server.Restart() }},
	} {
		c.begin()
		before := seen.written
		failures := 0
		err := w.Write(t.Context(), func(act func() error) error {
			for {
				err := act()
				if err == nil || failures == 3 {
					return err
				}
				if failures++; failures == 2 {
					c.end()
				}
			}
		}, encode(letter("1"), letter("2")))
		if n := seen.written - before; err != nil || failures < 2 || n != 2 ||
			seen.dropped != 0 {
			t.Errorf("%s: %v after %d failures, %d of 2 written", c.name, err, failures, n)
		}
	}
}

// partial is a Redis that takes two commands of each pipeline.
type partial struct{}

func (partial) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (partial) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }
func (partial) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		n := min(2, len(cmds))
		err := next(ctx, cmds[:n])
		for _, cmd := range cmds[n:] {
			err = errors.New("OOM")
			cmd.SetErr(err)
		}
		return err
	}
}

// Letters of a pipeline of which Redis took some are not written twice.
func TestSomeAreTaken(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	w, seen := newWriter(t, server, partial{})
	tries := 0
	err := w.Write(t.Context(), func(act func() error) error {
		for {
			tries++
			if err := act(); err == nil || tries == 10 {
				return err
			}
		}
	}, encode(letter("0"), letter("1"), letter("2"), letter("3"), letter("4")))
	var got []string
	for _, entry := range server.Client().XRange(t.Context(), "colors:rejected", "-", "+").Val() {
		got = append(got, entry.Values["payload"].(string))
	}
	want := []string{"0", "1", "2", "3", "4"}
	if diff := cmp.Diff(want, got); err != nil || tries != 3 || seen.written != 5 ||
		diff != "" {
		t.Errorf("%v after %d tries, %d written, entries (-want +got):\n%s", err, tries,
			seen.written, diff)
	}
}

// Letters are written when enough replicas have them, and are not added again meanwhile; after a
// lost connection they are.
func TestReplicas(t *testing.T) {
	t.Parallel()
	master, replica := redistest.Start(t, "--repl-diskless-sync-delay", "0"), redistest.Start(t)
	host, port, _ := net.SplitHostPort(master.Addr())
	w, _ := newWriter(t, master)
	w.replicas = 1
	var failures []string
	err := w.Write(t.Context(), func(act func() error) error {
		for {
			err := act()
			if err == nil || len(failures) == 50 {
				return err
			}
			failures = append(failures, err.Error())
			switch len(failures) {
			case 2:
				master.Client().ClientKillByFilter(t.Context(), "TYPE", "normal", "SKIPME", "yes")
			case 4:
				err := replica.Client().ReplicaOf(t.Context(), host, port).Err()
				if err != nil {
					t.Error(err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
	}, encode(letter("1"), letter("2")))
	n := replica.Client().XLen(t.Context(), "colors:rejected").Val()
	if err != nil || n != 4 {
		t.Errorf("%v, the replica has %d letters, want each twice\n%q", err, n, failures)
	}
	if !strings.HasPrefix(failures[0], "0 replicas of colors:rejected") {
		t.Error(failures[0])
	}
}
