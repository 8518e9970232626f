package main

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/caarlos0/env/v11"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
	"colorstream/generator/service"
	"colorstream/generator/service/servicetest"
)

// A program is one run of the generator.
type program struct {
	stdout, stderr servicetest.Output
	stop           context.CancelFunc
	done           chan struct{}
	err            error // after done
}

// begin starts the generator with variables such as "GENERATOR_COUNT=3" besides those that keep it
// by itself.
func begin(t testing.TB, stdin io.Reader, args []string, variables ...string) *program {
	t.Helper()
	alone := []string{"GENERATOR_ADDR=off", "WORKER_ADDR=127.0.0.1:1"}
	environ := env.ToMap(append(alone, variables...))
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = run(ctx, service.Process{
			Args: args, Environ: environ, Stdin: stdin, Stdout: &p.stdout, Stderr: &p.stderr,
		})
	}()
	t.Cleanup(func() {
		cancel()
		<-p.done
		if t.Failed() {
			t.Logf("stdout:\n%s\nstderr:\n%s", p.stdout.String(), p.stderr.String())
		}
	})
	return p
}

// wait is for a program that ends by itself.
func (p *program) wait(t testing.TB) error {
	t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(time.Minute):
		t.Fatal("the generator does not end")
		return nil
	}
}

// wantStatus waits for the end with an exit status.
func (p *program) wantStatus(t testing.TB, status int) {
	t.Helper()
	got, err := 0, p.wait(t)
	if exit, ok := errors.AsType[*service.ExitError](err); ok {
		got = exit.Status
	} else if err != nil {
		got = 1
	}
	if got != status {
		t.Errorf("exit status %d, want %d: %v", got, status, err)
	}
}

// sums reads the tally that the program printed.
func (p *program) sums(t testing.TB) map[string]int {
	t.Helper()
	sums := make(map[string]int)
	for line := range strings.Lines(p.stdout.String()) {
		if words := strings.Fields(line); len(words) >= 2 {
			if n, err := strconv.Atoi(words[1]); err == nil {
				sums[words[0]] = n
			}
		}
	}
	if sums["read"] != sums["published"]+sums["rejected"]+sums["unacknowledged"]+sums["unsent"] {
		t.Errorf("the tally does not add up: %v", sums)
	}
	return sums
}

// embedded starts an embedded Redis with a subscriber to the channel colors.
func embedded(t testing.TB) (url string, received <-chan *redis.Message) {
	t.Helper()
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	return "REDIS_URL=redis://" + m.Addr(), listen(t, client)
}

// listen subscribes to the channel colors.
func listen(t testing.TB, client *redis.Client) <-chan *redis.Message {
	t.Helper()
	sub := client.Subscribe(t.Context(), "colors")
	t.Cleanup(func() { _ = sub.Close() })
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	return sub.Channel(redis.WithChannelSize(1<<17), redis.WithChannelSendTimeout(time.Minute))
}

// receive collects n messages, however many a payload holds.
func receive(t testing.TB, from <-chan *redis.Message, n int) []message.Message {
	t.Helper()
	var all []message.Message
	for len(all) < n {
		select {
		case m := <-from:
			all = append(all, split(t, m.Payload)...)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d messages, want %d", len(all), n)
		}
	}
	return all
}

// split reads the messages of a payload.
func split(t testing.TB, payload string) (all []message.Message) {
	t.Helper()
	for payload != "" {
		m, n, err := message.Next(payload)
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		all = append(all, m)
		payload = payload[n:]
	}
	return all
}

func TestRandomMessages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	received := listen(t, server.Client())
	settings := []string{
		"REDIS_URL=" + server.URL(), "GENERATOR_PACE=max", "GENERATOR_COUNT=5000", "GENERATOR_SEED=7",
	}
	first := begin(t, nil, nil, settings...)
	if err := first.wait(t); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"read": 5000, "published": 5000, "no_subscribers": 0,
		"rejected": 0, "unacknowledged": 0, "unsent": 0, "errors": 0,
	}
	if diff := cmp.Diff(want, first.sums(t)); diff != "" {
		t.Errorf("tally: -want +got\n%s", diff)
	}
	all := receive(t, received, 5000)
	for _, m := range all {
		if !strings.Contains("red,blue,green,yellow", m.Color) ||
			m.Name != "value_name" || m.Value < 1 || m.Value > 100 || !m.Time.IsZero() {
			t.Fatalf("%+v", m)
		}
	}
	if err := begin(t, nil, []string{"run"}, settings...).wait(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, receive(t, received, 5000)); diff != "" {
		t.Error("the same seed makes other messages")
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	p := begin(t, nil, nil, "REDIS_URL=redis://"+m.Addr(), "GENERATOR_RATE=10000", "GENERATOR_OOPS=1")
	servicetest.Eventually(t, "it publishes",
		func() bool { return p.stderr.Count("nobody is subscribed") > 0 })
	p.stop()
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	sums := p.sums(t)
	if sums["published"] == 0 || sums["no_subscribers"] != sums["published"] || sums["unsent"] != 0 {
		t.Errorf("%v", sums)
	}
	for _, words := range []string{
		"variable=GENERATOR_OOPS", "msg=start", "config.GENERATOR_RATE=10000", "msg=stop", "seed=",
	} {
		if p.stderr.Count(words) == 0 {
			t.Errorf("the log does not say %q", words)
		}
	}

	away := begin(t, nil, nil, "REDIS_URL=redis://127.0.0.1:1")
	servicetest.Eventually(t, "it waits",
		func() bool { return away.stderr.Count("cannot publish") > 0 })
	away.stop()
	if err := away.wait(t); err != nil {
		t.Errorf("stopped while it waits: %v", err)
	}
	if sums := away.sums(t); sums["unsent"] != 1 {
		t.Errorf("%v", sums)
	}
}
