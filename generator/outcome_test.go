package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"colorstream/generator/source"
)

// A replay says what its worker has made of the rows. This worker receives what it is told to;
// others publish too.
func TestReplayAsksTheWorker(t *testing.T) {
	t.Parallel()
	const header = "color,value\n"
	row := strings.Repeat("red,1\n", 10)
	for name, c := range map[string]struct {
		input            string
		received, others int64
		late             int64
		status           int
		says             []string
	}{
		"all":    {row, 10, 0, 0, 0, []string{"accepted 10 by the worker\n"}},
		"beside": {row, 10, 5, 0, 0, []string{"accepted 10 by the worker\n"}},
		"late": {row, 10, 0, 4, 3, []string{
			"accepted 6 by", "not accepted 4 late 4\n", "4 were late: ", "WORKER_LATENESS", "make import",
		}},
		"late, both": {row, 10, 5, 4, 3, []string{"accepted 6 by", "not accepted 4 late 4\n"}},
		"lost": {row, 7, 0, 0, 3, []string{
			"accepted 7 by", "not received 3 by any worker\n", "does it run",
		}},
		"bad rows": {row + "red,x\n", 10, 0, 0, 3, []string{
			"rejected 1 value_type 1\n", "1 made no message",
		}},
		"restarted": {row, -1, 0, 0, 0, []string{"cannot be asked", "restarted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, _ := embedded(t)
			var asked atomic.Int64
			worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				received, late := int64(1000), int64(50)
				asked := asked.Add(1)
				if asked > 1 {
					received += c.received + c.others
				}
				if asked > 3 || asked > 1 && c.others == 0 { // others' messages are counted before ours
					late += c.late
				}
				if c.received < 0 && asked > 1 {
					received = 3
				}
				fmt.Fprintf(w, "# HELP\ncolorstream_worker_received_total{instance=\"a\"} %d\n"+
					"colorstream_worker_rejected_total{instance=\"a\",reason=\"late\"} %d\n"+
					"colorstream_worker_rejected_total{reason=\"not_json\"} 7\n", received, late)
			}))
			t.Cleanup(worker.Close)
			p := begin(t, strings.NewReader(header+c.input),
				[]string{"replay", "-"}, url,
				"GENERATOR_PACE=max", "WORKER_ADDR="+strings.TrimPrefix(worker.URL, "http://"))
			p.wantStatus(t, c.status)
			text := p.stdout.String() + p.stderr.String()
			if p.err != nil {
				text += p.err.Error()
			}
			words := strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' }), " ")
			for _, want := range c.says {
				if !strings.Contains(words, want) {
					t.Errorf("it does not say %q:\n%s", want, words)
				}
			}
		})
	}
}

// What the worker says cannot be told from a stranger's words otherwise.
func TestAskWorker(t *testing.T) {
	t.Parallel()
	for status, words := range map[int]string{
		http.StatusOK: "is no worker", http.StatusNotFound: "404",
	} {
		stranger := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "hello 1\n")
		}))
		_, err := askWorkers(t.Context(), strings.TrimPrefix(stranger.URL, "http://"))
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%d: %v", status, err)
		}
		stranger.Close()
	}
	worker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "colorstream_worker_received_total 3\n"+
			"colorstream_worker_rejected_total{reason=\"late\"} 1\n")
	}))
	t.Cleanup(worker.Close)
	address := strings.TrimPrefix(worker.URL, "http://")
	s, err := askWorkers(t.Context(), address+", "+address)
	if err != nil || s.received != 6 || s.rejected["late"] != 2 {
		t.Errorf("of two workers: %v, %v", s, err)
	}
	if _, err := askWorkers(t.Context(), "nowhere"); err == nil {
		t.Error("an address without a port")
	}
}

// A replay that nobody receives does not end well.
func TestReplayToNobody(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	for _, transport := range []string{"pubsub", "stream"} {
		p := begin(t, strings.NewReader("color,value\nred,1\n"), []string{"replay", source.Stdin},
			"REDIS_URL=redis://"+m.Addr(), "REDIS_TRANSPORT="+transport)
		p.wantStatus(t, 3)
		if !strings.Contains(p.err.Error(), "1 were received by no worker") {
			t.Errorf("%s: %v", transport, p.err)
		}
	}
}
