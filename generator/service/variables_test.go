package service

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWriteVariables(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := WriteVariables(&b, config{}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"  T_EVERY         5s                 the rhythm\n",
		"  T_SIZE                             how large\n",
		"  T_TOKEN[_FILE]  (required)         the key\n",
		"  T_URL[_FILE]    redis://localhost  where\n",
		"  LOG_FORMAT      text               text or json\n",
	} {
		if !strings.Contains(b.String(), line) {
			t.Errorf("no line %q in\n%s", line, b.String())
		}
	}
}

func TestLogValue(t *testing.T) {
	t.Parallel()
	shown := func(c config) string {
		var b bytes.Buffer
		slog.New(slog.NewTextHandler(&b, nil)).Info("start", "config", LogValue(c))
		return b.String()
	}
	text := shown(config{
		Count: 7, URL: "redis://user:s3cret@host:6379/0", Token: "https://s3cret@token", Pin: "s3cr",
	})
	for _, words := range []string{
		"config.T_COUNT=7", "config.T_URL=redis://user:xxxxx@host:6379/0", "config.T_TOKEN=***",
		"config.T_PIN=***", "config.T_ON=false",
	} {
		if !strings.Contains(text, words) {
			t.Errorf("no %q in %s", words, text)
		}
	}
	if strings.Contains(text, "s3cr") {
		t.Errorf("a secret is shown: %s", text)
	}
	if strings.Contains(text, "T_FORMAT") {
		t.Errorf("what is empty is shown: %s", text)
	}
	if text := shown(config{URL: "redis://user:s3cret@%zz"}); strings.Contains(text, "s3cret") {
		t.Errorf("a broken URL shows its password: %s", text)
	}
	if text := shown(config{URL: "no-url-s3cret"}); strings.Contains(text, "s3cret") {
		t.Errorf("a secret that should be a URL and is none is shown: %s", text)
	}
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	got := UnknownVariables(map[string]string{
		"T_COUNT": "1", "T_CUONT": "1", "T_TOKEN_FILE": "f", "T_COUNT_FILE": "f",
		"PATH": "p", "T": "", "T_": "",
	}, "T_", config{})
	if diff := cmp.Diff([]string{"T_", "T_COUNT_FILE", "T_CUONT"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	log := Log{slog.LevelWarn, "json"}.New(&b, "worker")
	log.Info("quiet")
	log.Warn("loud", "n", 1)
	if got := b.String(); strings.Contains(got, "quiet") ||
		!strings.Contains(got, `"level":"WARN","msg":"loud","program":"worker","n":1}`) {
		t.Errorf("%s", got)
	}
}
