package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
	"colorstream/generator/service"
)

// A program is one run of the generator.
type program struct {
	stdout, stderr output
	stop           context.CancelFunc
	done           chan struct{}
	err            error // after done
}

// output is safe for concurrent use.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// begin starts the generator with variables such as "GENERATOR_COUNT=3" besides those that keep it by itself.
func begin(t testing.TB, stdin io.Reader, args []string, variables ...string) *program {
	t.Helper()
	environ := service.Environ(append([]string{"GENERATOR_ADDR=off"}, variables...))
	ctx, cancel := context.WithCancel(t.Context())
	p := &program{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		p.err = run(ctx, service.Process{Args: args, Environ: environ, Stdin: stdin, Stdout: &p.stdout, Stderr: &p.stderr})
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

// sums reads the ledger that the program printed.
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
	if sums["read"] != sums["published"]+sums["refused"]+sums["unconfirmed"]+sums["unsent"] {
		t.Errorf("the ledger does not add up: %v", sums)
	}
	return sums
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 seconds: %s", what)
		}
	}
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

func receive(t testing.TB, from <-chan *redis.Message, n int) []message.Message {
	t.Helper()
	var all []message.Message
	for range n {
		select {
		case m := <-from:
			decoded, err := message.Decode(m.Payload)
			if err != nil {
				t.Fatalf("%s: %v", m.Payload, err)
			}
			all = append(all, decoded)
		case <-time.After(20 * time.Second):
			t.Fatalf("%d messages, want %d", len(all), n)
		}
	}
	return all
}

func TestRandomMessages(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	heard := listen(t, server.Client())
	settings := []string{"REDIS_URL=" + server.URL(), "GENERATOR_PACE=max", "GENERATOR_COUNT=5000", "GENERATOR_SEED=7"}
	first := begin(t, nil, nil, settings...)
	if err := first.wait(t); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{
		"read": 5000, "published": 5000, "unheard": 0, "refused": 0, "unconfirmed": 0, "unsent": 0, "errors": 0,
	}
	if diff := cmp.Diff(want, first.sums(t)); diff != "" {
		t.Errorf("ledger: -want +got\n%s", diff)
	}
	all := receive(t, heard, 5000)
	for _, m := range all {
		if !strings.Contains("red,blue,green,yellow", m.Color) || m.Name != "value_name" || m.Value < 1 || m.Value > 100 || !m.Time.IsZero() {
			t.Fatalf("%+v", m)
		}
	}
	if err := begin(t, nil, []string{"run"}, settings...).wait(t); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, receive(t, heard, 5000)); diff != "" {
		t.Error("the same seed makes other messages")
	}
}

func TestReplayDiamonds(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/diamonds-1000.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want []message.Message
	for _, row := range rows[1:] {
		price, err := strconv.ParseFloat(row[6], 64)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, message.Message{Color: row[2], Name: row[1], Value: price})
	}
	server := redistest.Start(t)
	client := server.Client()
	heard := listen(t, client)
	replay := func(variables ...string) {
		t.Helper()
		p := begin(t, nil, []string{"replay", f.Name()}, append(variables, "REDIS_URL="+server.URL(), "GENERATOR_PACE=max",
			"GENERATOR_INPUT_VALUE=price", "GENERATOR_INPUT_NAME=cut")...)
		if err := p.wait(t); err != nil {
			t.Fatal(err)
		}
		if sums := p.sums(t); sums["read"] != 1000 || sums["published"] != 1000 {
			t.Errorf("%v", sums)
		}
	}
	replay()
	if diff := cmp.Diff(want, receive(t, heard, 1000)); diff != "" {
		t.Errorf("Pub/Sub: -want +got\n%s", diff)
	}
	replay("REDIS_TRANSPORT=stream")
	entries, err := client.XRange(t.Context(), "colors", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var got []message.Message
	for _, entry := range entries {
		m, err := message.Decode(entry.Values["m"].(string))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, m)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream: -want +got\n%s", diff)
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	p := begin(t, strings.NewReader("color,value,ts\nred,1,1760000000\nred,x,\nblue\nred,2,\n"+strings.Repeat(",1,\n", 9)),
		[]string{"replay", "-"}, "REDIS_URL=redis://"+m.Addr(), "GENERATOR_PACE=max")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	if sums := p.sums(t); sums["read"] != 13 || sums["published"] != 2 || sums["unheard"] != 2 || sums["refused"] != 11 {
		t.Errorf("%v", sums)
	}
	for _, words := range []string{
		"color_empty 9, ", `refused line 3: value "x" is not a number` + "\n", "refused line 4: has 1 cells, but the header has 3\n",
		"refused line 8: color is empty\n",
	} {
		if !strings.Contains(p.stdout.String(), words) {
			t.Errorf("the ledger does not say %q", words)
		}
	}
}

func TestNothingToPublish(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	fails := func(stdin, words string, variables ...string) {
		t.Helper()
		p := begin(t, strings.NewReader(stdin), []string{"replay", "-"},
			append(variables, "REDIS_URL=redis://"+m.Addr(), "GENERATOR_PACE=max")...)
		if err := p.wait(t); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", stdin, err, words)
		}
	}
	fails("color,value\n", "nothing was published: standard input holds no messages")
	fails("color,value\nred,x\nred,y\n", `nothing was published: all 2 lines of standard input were refused, the first: line 2: value "x" is not a number`)
	fails("", "is empty")
	fails("colour,value\n", "GENERATOR_INPUT_COLOR to one of")
	fails("color,value\nred,1\n\"", "quotation mark in line 3 is never closed") // what came before is published
	fails("{}\n", "there is no color", "GENERATOR_INPUT_FORMAT=jsonl")
	p := begin(t, nil, []string{"replay", "no/such.csv"}, "REDIS_URL=redis://"+m.Addr())
	if err := p.wait(t); err == nil || !strings.Contains(err.Error(), "GENERATOR_INPUT: open no/such.csv") {
		t.Errorf("%v", err)
	}
}

// Lines are published as they come, not when the input ends; and a silent input can be stopped.
func TestLiveStandardInput(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: m.Addr()})
	t.Cleanup(func() { _ = client.Close() })
	heard := listen(t, client)
	stdin, writer := io.Pipe()
	defer writer.Close()
	p := begin(t, stdin, []string{"replay", "-"}, "REDIS_URL=redis://"+m.Addr(), "GENERATOR_PACE=max")
	for i := range 3 {
		if _, err := fmt.Fprintf(writer, `{"color":"red","value":%d}`+"\n", i); err != nil {
			t.Fatal(err)
		}
		if got := receive(t, heard, 1)[0].Value; got != float64(i) {
			t.Errorf("line %d gives %g", i, got)
		}
	}
	p.stop()
	if err := p.wait(t); err != nil {
		t.Errorf("stopped: %v", err)
	}
	if sums := p.sums(t); sums["published"] != 3 {
		t.Errorf("%v", sums)
	}
}

// Redis is killed and comes back while a file is replayed; nothing is lost unsaid, over either transport.
func TestReplayOverKilledRedis(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	const n = 3000
	for i := range n {
		fmt.Fprintf(&lines, `{"color":"red","value":%d}`+"\n", i)
	}
	path := filepath.Join(t.TempDir(), "lines.jsonl")
	if err := os.WriteFile(path, []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, transport := range []string{"pubsub", "stream"} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
			p := begin(t, nil, []string{"replay", path}, "REDIS_URL="+server.URL(), "REDIS_TRANSPORT="+transport,
				"GENERATOR_RATE=2000")
			for range 2 {
				time.Sleep(300 * time.Millisecond) // not to wait for anything: to strike in the middle
				server.Kill()
				eventually(t, "it says that Redis is away", func() bool {
					text := p.stderr.String()
					return strings.Count(text, "cannot publish") > strings.Count(text, "publishing again")
				})
				server.Restart()
				eventually(t, "it says that Redis is back", func() bool {
					text := p.stderr.String()
					return strings.Count(text, "cannot publish") == strings.Count(text, "publishing again")
				})
			}
			if err := p.wait(t); err != nil {
				t.Fatal(err)
			}
			sums := p.sums(t)
			if sums["read"] != n || sums["unsent"] != 0 || sums["errors"] == 0 {
				t.Errorf("%v", sums)
			}
			if text := p.stderr.String(); strings.Count(text, "cannot publish") != 2 {
				t.Error("it says it more than once")
			}
			if transport == "stream" {
				if length := server.Client().XLen(t.Context(), "colors").Val(); length != n || sums["published"] != n {
					t.Errorf("%d entries, %v", length, sums)
				}
			}
		})
	}
}

func TestStop(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	p := begin(t, nil, nil, "REDIS_URL=redis://"+m.Addr(), "GENERATOR_RATE=10000", "GENERATOR_OOPS=1")
	eventually(t, "it publishes", func() bool { return strings.Contains(p.stderr.String(), "nobody listens") })
	p.stop()
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	sums := p.sums(t)
	if sums["published"] == 0 || sums["unheard"] != sums["published"] || sums["unsent"] != 0 {
		t.Errorf("%v", sums)
	}
	for _, words := range []string{"variable=GENERATOR_OOPS", "msg=start", "config.GENERATOR_RATE=10000", "msg=stop", "seed="} {
		if !strings.Contains(p.stderr.String(), words) {
			t.Errorf("the log does not say %q", words)
		}
	}

	away := begin(t, nil, nil, "REDIS_URL=redis://127.0.0.1:1")
	eventually(t, "it waits", func() bool { return strings.Contains(away.stderr.String(), "cannot publish") })
	away.stop()
	if err := away.wait(t); err != nil {
		t.Errorf("stopped while it waits: %v", err)
	}
	if sums := away.sums(t); sums["unsent"] != 1 {
		t.Errorf("%v", sums)
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	p := begin(t, strings.NewReader("color,value\nred,1\nred,x\n"+strings.Repeat("red,2\n", 1000)), nil,
		"REDIS_URL=redis://"+m.Addr(), "GENERATOR_ADDR=127.0.0.1:0", "GENERATOR_INPUT=-", "GENERATOR_INTERVAL=50ms")
	var address string
	eventually(t, "it listens", func() bool {
		if found := regexp.MustCompile(`msg=listening.* address=(\S+)`).FindStringSubmatch(p.stderr.String()); found != nil {
			address = found[1]
		}
		return address != ""
	})
	get := func(path string) (int, string) {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	eventually(t, "it is ready", func() bool { status, _ := get("/readyz"); return status == http.StatusOK })
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	var metrics string
	eventually(t, "it has refused a line", func() bool {
		_, metrics = get("/metrics")
		return strings.Contains(metrics, `colorstream_generator_refused_total{reason="value_type"} 1`)
	})
	for _, name := range []string{"published_total", "publish_errors_total", "receivers", "unheard_total", "unconfirmed_total", "read_total"} {
		if !strings.Contains(metrics, "\ncolorstream_generator_"+name+" ") {
			t.Errorf("no metric %s", name)
		}
	}
	healthy := begin(t, nil, []string{"healthcheck"}, "GENERATOR_ADDR="+address)
	if err := healthy.wait(t); err != nil {
		t.Errorf("healthcheck: %v", err)
	}
	taken := begin(t, nil, nil, "GENERATOR_ADDR="+address, "REDIS_URL=redis://"+m.Addr())
	if err := taken.wait(t); err == nil || !strings.Contains(err.Error(), "set GENERATOR_ADDR to another address") {
		t.Errorf("port taken: %v", err)
	}
	beside := begin(t, strings.NewReader("color,value\nred,1\n"), []string{"replay", "-"}, "GENERATOR_ADDR="+address, "REDIS_URL=redis://"+m.Addr())
	if err := beside.wait(t); err != nil {
		t.Errorf("replay beside a running generator: %v", err)
	}
	m.Close()
	eventually(t, "it is not ready without Redis", func() bool { status, _ := get("/readyz"); return status == http.StatusServiceUnavailable })
	p.stop()
	if err := p.wait(t); err != nil {
		t.Error(err)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	says := func(ok bool, words string, variables ...string) {
		t.Helper()
		p := begin(t, nil, []string{"check"}, append([]string{"REDIS_URL=redis://" + m.Addr()}, variables...)...)
		if err := p.wait(t); (err == nil) != ok {
			t.Errorf("%v: %v", variables, err)
		}
		if !strings.Contains(p.stdout.String(), words) {
			t.Errorf("%v: it does not say %q but\n%s", variables, words, p.stdout.String())
		}
	}
	const diamonds = "GENERATOR_INPUT=testdata/diamonds-1000.csv"
	says(true, `publishes random messages on "colors" (pubsub), one every 1s`)
	says(true, `the channel "colors" has 0 subscribers`)
	says(true, "2.5 a second", "GENERATOR_RATE=2.5")
	says(true, `its first message: {"color":"E","name":"price","value":326}`, diamonds, "GENERATOR_INPUT_VALUE=price")
	says(true, "as far apart as their times, at 60 times the speed", diamonds, "GENERATOR_INPUT_VALUE=price", "GENERATOR_PACE=times", "GENERATOR_SPEED=60")
	says(true, "standard input is not looked at", "GENERATOR_INPUT=-", "GENERATOR_PACE=max")
	says(false, "FAILED  input", diamonds)
	says(false, "FAILED  redis", "REDIS_URL=redis://127.0.0.1:1")
	says(false, "unknown variable GENERATOR_COLOURS", "GENERATOR_COLOURS=red")
	says(false, "", "GENERATOR_RATE=fast")
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, words string }{
		{"sing", `there is no command "sing"`},
		{"replay", "replay needs a file"},
		{"replay a b", "replay needs a file"},
		{"run fast", "run takes no words"},
		{"healthcheck", "GENERATOR_ADDR is off"},
	} {
		if err := begin(t, nil, strings.Fields(c.args)).wait(t); err == nil || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", c.args, err, c.words)
		}
	}
	help := begin(t, nil, []string{"help"})
	if err := help.wait(t); err != nil || !strings.Contains(help.stdout.String(), "GENERATOR_INPUT_SEPARATOR") {
		t.Errorf("help: %v", err)
	}
	version := begin(t, nil, []string{"version"})
	if err := version.wait(t); err != nil || !strings.HasPrefix(version.stdout.String(), "generator ") {
		t.Errorf("version: %v", err)
	}
}
