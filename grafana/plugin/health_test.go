package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/generator/redistest"
	"colorstream/generator/service/servicetest"
)

func TestHealthIsSaidInWords(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	c := server.Client()
	want := func(status backend.HealthStatus, words string,
		settings backend.DataSourceInstanceSettings,
	) {
		t.Helper()
		s, _ := start(t, settings)
		got, err := s.CheckHealth(t.Context(), nil)
		if err != nil || got.Status != status || !strings.Contains(got.Message, words) ||
			strings.Contains(got.Message, "the-payload") {
			t.Errorf("%v, %v, want %v %q", got, err, status, words)
		}
	}
	want(backend.HealthStatusError, `The channel "colors" on 127.0.0.1:1: nothing listens there`,
		settingsFor("redis://127.0.0.1:1", nil))
	keepPublishing(t, c, "colors", `{"color":"red","value":1}`)
	keepPublishing(t, c, "strange", `{"colour":"the-payload"}`)
	want(backend.HealthStatusOk, server.Addr(), settingsFor(server.URL(), nil))
	want(backend.HealthStatusError, "color_missing",
		settingsFor(server.URL(), map[string]any{"channel": "strange"}))
}

func TestSettings(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		url, json string
		secret    map[string]string
		want      string
	}{
		"nothing set":    {"", `{}`, nil, ""},
		"no JSON at all": {"", ``, nil, ""},
		"empty variables": {
			"", `{"channel":"","transport":"","window":"","lateness":"","statistics":""}`,
			nil, "",
		},
		"all set": {
			"rediss://me@host:1/2",
			`{"channel":"c","transport":"stream","window":"1m","lateness":"2s","statistics":"p99.9, stddev"}`, nil, "",
		},
		"not JSON":         {"", `{`, nil, "not understood"},
		"transport":        {"", `{"transport":"mail"}`, nil, `"mail"`},
		"window":           {"", `{"window":"5"}`, nil, `the window is "5"`},
		"window too small": {"", `{"window":"1ms"}`, nil, `from 10ms`},
		"lateness":         {"", `{"lateness":"-1s"}`, nil, `the lateness is "-1s"`},
		"statistics": {
			"", `{"statistics":"mean,p101"}`, nil,
			`the statistics are "mean,p101": "p101" is none`,
		},
		"CA": {
			"", `{}`,
			map[string]string{"tlsCACert": "the-secret"},
			"CA PEM certificate",
		},
		"client": {"", `{}`, map[string]string{"tlsClientCert": "the-secret"}, "give both"},
		"URL":    {"http://:the-secret@x", `{}`, nil, "is not a Redis URL"},
		"secret URL": {
			"", `{}`,
			map[string]string{"url": "redis://:the-secret@a b"},
			"is not a Redis URL",
		},
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
	s, log := start(t, set)
	w := watch(t, s, "messages")
	awaitSubscriber(t, c)
	for _, text := range []string{`{"color":"red","value":1,"name":"` + payload + `"}`, payload} {
		if err := c.Publish(t.Context(), "colors", text).Err(); err != nil {
			t.Fatal(err)
		}
	}
	servicetest.Eventually(t, "the message", func() bool { return len(w.values("red")) == 1 })
	server.Kill()
	servicetest.Eventually(t, "a log line", func() bool {
		return log.Count("not connected to Redis") > 0
	})
	w.stop()
	for _, text := range []string{secret, payload} {
		if log.Count(text) > 0 {
			t.Errorf("%s is in the log: %s", text, log)
		}
		if strings.Contains(w.raw.String(), text) {
			t.Errorf("%s is in a frame", text)
		}
	}
}
