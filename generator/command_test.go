package main

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"colorstream/generator/service/servicetest"
)

func TestHTTP(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	rows := "color,value\nred,1\nred,x\n" + strings.Repeat("red,2\n", 1000)
	p := begin(t, strings.NewReader(rows), nil, "REDIS_URL=redis://"+m.Addr(),
		"GENERATOR_ADDR=127.0.0.1:0", "GENERATOR_INPUT=-", "GENERATOR_INTERVAL=50ms")
	var address string
	servicetest.Eventually(t, "it listens", func() bool {
		_, after, listening := strings.Cut(p.stderr.String(), "msg=listening program=generator address=")
		address, _, _ = strings.Cut(after, "\n")
		return listening && address != ""
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
	ready := func(want int) func() bool {
		return func() bool { status, _ := get("/readyz"); return status == want }
	}
	servicetest.Eventually(t, "it is ready", ready(http.StatusOK))
	if status, _ := get("/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
	var metrics string
	servicetest.Eventually(t, "it has rejected a line, and published one", func() bool {
		_, metrics = get("/metrics")
		const rejected = `colorstream_generator_rejected_total{reason="value_type"} 1`
		return strings.Contains(metrics, rejected) &&
			!strings.Contains(metrics, "\ncolorstream_generator_no_subscribers_total 0\n")
	})
	for name, counted := range map[string]bool{ // more than 0
		"read_total": true, "published_total": true, "no_subscribers_total": true,
		"publish_errors_total": false, "unacknowledged_total": false, "receivers": false,
	} {
		_, value, found := strings.Cut(metrics, "\ncolorstream_generator_"+name+" ")
		if !found || strings.HasPrefix(value, "0\n") == counted {
			t.Errorf("metric %s: %t, %.10s", name, found, value)
		}
	}
	healthy := begin(t, nil, []string{"healthcheck"}, "GENERATOR_ADDR="+address)
	if err := healthy.wait(t); err != nil {
		t.Errorf("healthcheck: %v", err)
	}
	taken := begin(t, nil, nil, "GENERATOR_ADDR="+address, "REDIS_URL=redis://"+m.Addr())
	if err := taken.wait(t); err == nil ||
		!strings.Contains(err.Error(), "set GENERATOR_ADDR to another address") {
		t.Errorf("port taken: %v", err)
	}
	beside := begin(t, strings.NewReader("color,value\nred,1\n"),
		[]string{"replay", "-"}, "GENERATOR_ADDR="+address, "REDIS_URL=redis://"+m.Addr())
	beside.wantStatus(t, 3) // nobody is subscribed
	m.Close()
	servicetest.Eventually(t, "it is not ready without Redis", ready(http.StatusServiceUnavailable))
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
		p := begin(t, nil, []string{"check"},
			append([]string{"REDIS_URL=redis://" + m.Addr()}, variables...)...)
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
	says(true, `its first message: {"color":"E","name":"price","value":326}`,
		diamonds, "GENERATOR_INPUT_VALUE=price")
	says(true, "as far apart as their times, at 60 times the speed",
		diamonds, "GENERATOR_INPUT_VALUE=price", "GENERATOR_PACE=times", "GENERATOR_SPEED=60")
	says(true, "standard input is not looked at", "GENERATOR_INPUT=-", "GENERATOR_PACE=max")
	says(false, "FAIL  input", diamonds)
	says(false, `line 2: value "Ideal" is not a number`, diamonds, "GENERATOR_INPUT_VALUE=cut")
	says(false, "FAIL  redis", "REDIS_URL=redis://127.0.0.1:1")
	says(false, "unknown variable GENERATOR_COLOURS", "GENERATOR_COLOURS=red")
	says(false, "", "GENERATOR_RATE=fast")
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ args, words string }{
		{"sing", `there is no command "sing"`},
		{"replay", "generator replay FILE"},
		{"replay a b", "generator replay FILE"},
		{"run fast", `["fast"] cannot stand behind run`},
		{"healthcheck", "not healthy: "},
	} {
		if err := begin(t, nil, strings.Fields(c.args)).wait(t); err == nil ||
			!strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: %v, want %q", c.args, err, c.words)
		}
	}
	help := begin(t, nil, []string{"replay", "--help"})
	if err := help.wait(t); err != nil ||
		!strings.Contains(help.stdout.String(), "GENERATOR_INPUT_SEPARATOR") {
		t.Errorf("help: %v", err)
	}
	version := begin(t, nil, []string{"version"})
	if err := version.wait(t); err != nil ||
		!strings.HasPrefix(version.stdout.String(), "generator ") {
		t.Errorf("version: %v", err)
	}
}
