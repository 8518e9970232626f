package main

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/generator/redistest"
)

func TestHealthIsSaidInWords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	p := start(t, settingsFor(server.URL(), nil))
	ok, text := p.health(t)
	if ok || !strings.Contains(text, `Nothing came from the channel "colors"`) {
		t.Errorf("without a publisher: %v %s", ok, text)
	}

	var publishing sync.WaitGroup
	publishing.Go(func() {
		for t.Context().Err() == nil {
			time.Sleep(20 * time.Millisecond)
			_ = c.Publish(t.Context(), "colors", `{"color":"red","value":1}`)
			_ = c.Publish(t.Context(), "strange", `{"colour":"the-payload"}`)
		}
	})
	t.Cleanup(publishing.Wait)
	if ok, text = p.health(t); !ok || !strings.Contains(text, server.Addr()) {
		t.Errorf("with a publisher: %v %s", ok, text)
	}

	for want, options := range map[string]map[string]any{
		"color_missing": {"channel": "strange"}, "fax": {"transport": "fax", "window": "soon"},
	} {
		p.settings.JSONData = settingsFor("", options).JSONData
		p.settings.Updated = p.settings.Updated.Add(time.Second) // Grafana says so, and the SDK makes a new one
		ok, text := p.health(t)
		if ok || !strings.Contains(text, want) || strings.Contains(text, "the-payload") {
			t.Errorf("%v %q, want %q", ok, text, want)
		}
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url, json string
		secret    map[string]string
		want      string
	}{
		"nothing set":      {"", `{}`, nil, ""},
		"no JSON at all":   {"", ``, nil, ""},
		"empty variables":  {"", `{"channel":"","transport":"","window":"","lateness":"","statistics":""}`, nil, ""},
		"all set":          {"rediss://me@host:1/2", `{"channel":"c","transport":"stream","window":"1m","lateness":"2s","statistics":"p99.9, stddev"}`, nil, ""},
		"not JSON":         {"", `{`, nil, "not understood"},
		"transport":        {"", `{"transport":"mail"}`, nil, `"mail"`},
		"window":           {"", `{"window":"5"}`, nil, `the window is "5"`},
		"window too small": {"", `{"window":"1ms"}`, nil, `from 10ms`},
		"lateness":         {"", `{"lateness":"-1s"}`, nil, `the lateness is "-1s"`},
		"statistics":       {"", `{"statistics":"mean,p101"}`, nil, `the statistics are "mean,p101": "p101" is none`},
		"CA":               {"", `{}`, map[string]string{"tlsCACert": "the-secret"}, "CA PEM certificate"},
		"client":           {"", `{}`, map[string]string{"tlsClientCert": "the-secret"}, "give both"},
		"URL":              {"http://:the-secret@x", `{}`, nil, "is not a Redis URL"},
		"secret URL":       {"", `{}`, map[string]string{"url": "redis://:the-secret@a b"}, "is not a Redis URL"},
	} {
		_, err := open(slog.New(slog.DiscardHandler), backend.DataSourceInstanceSettings{
			URL: test.url, JSONData: []byte(test.json), DecryptedSecureJSONData: test.secret,
		})
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), test.want) ||
			strings.Contains(err.Error(), "the-secret") {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

func TestNothingSecretIsLoggedOrInFrames(t *testing.T) {
	t.Parallel()
	const secret, payload = "pass-the-secret", "the-payload"
	server := redistest.Start(t)
	c := server.Client()
	if err := c.ConfigSet(t.Context(), "requirepass", secret).Err(); err != nil {
		t.Fatal(err)
	}
	c = server.Client()
	if err := c.Do(t.Context(), "auth", secret).Err(); err != nil {
		t.Fatal(err)
	}
	set := settingsFor("", nil)
	set.DecryptedSecureJSONData = map[string]string{"url": "redis://:" + secret + "@" + server.Addr()}
	p := start(t, set)
	w := p.watch(t, "messages")
	awaitSubscriber(t, c)
	if err := c.Publish(t.Context(), "colors", `{"color":"red","value":1,"name":"`+payload+`"}`).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Publish(t.Context(), "colors", payload).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the message", func() bool { return len(w.values("red")) == 1 })
	server.Kill()
	eventually(t, "a log line", func() bool {
		return strings.Contains(p.log.String(), "[WARN]  gpx_colorstream_live: not connected to Redis")
	})
	log := p.log.String()
	w.mu.Lock()
	frames := w.raw.String()
	w.mu.Unlock()
	for _, text := range []string{secret, payload} {
		if strings.Contains(log, text) {
			t.Errorf("%s is in the log: %s", text, log)
		}
		if strings.Contains(frames, text) {
			t.Errorf("%s is in a frame", text)
		}
	}
}
