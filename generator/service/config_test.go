package service

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/google/go-cmp/cmp"
)

type config struct {
	Every  time.Duration `env:"T_EVERY" envDefault:"5s" help:"the rhythm"`
	Count  int           `env:"T_COUNT" envDefault:"3" help:"how many"`
	Size   uint16        `env:"T_SIZE" help:"how large"`
	Share  float64       `env:"T_SHARE" help:"how much"`
	On     bool          `env:"T_ON" help:"whether"`
	Words  []string      `env:"T_WORDS" envDefault:"a,b" help:"which"`
	URL    string        `env:"T_URL" envDefault:"redis://localhost" secret:"true" help:"where"`
	Token  string        `env:"T_TOKEN,notEmpty" secret:"true" help:"the key"`
	Format string        `env:"T_FORMAT" help:"has the name of a field of Log"`
	Pin    pin           `env:"T_PIN" secret:"true" help:"a secret that is parsed"`
	Log    Log
}

// pin's errors show the value, as those of many libraries do.
type pin string

func (p *pin) UnmarshalText(text []byte) error {
	if *p = pin(text); len(text) != 4 {
		return fmt.Errorf("%q is not four digits", text)
	}
	return nil
}

func (c config) Validate() error {
	var errs []error
	if c.Every <= 0 {
		errs = append(errs, Invalid("T_EVERY", c.Every, "must be more than 0"))
	}
	if c.Token == "?" {
		errs = append(errs, Invalid("T_TOKEN", "", "is too short"))
	}
	if c.Count > 100 {
		errs = append(errs, Invalid("T_COUNT", c.Count, "is more than 100"))
	}
	return errors.Join(errs...)
}

func TestParseConfig(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(secret, []byte("  s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	defaults := config{
		Every: 5 * time.Second, Count: 3, Words: []string{"a", "b"}, URL: "redis://localhost",
		Token: "x", Log: Log{Format: "text"},
	}
	parse := func(want func(*config), variables ...string) {
		t.Helper()
		environ := env.ToMap(append([]string{"T_TOKEN=x"}, variables...))
		got, err := ParseConfig[config](environ)
		if err != nil {
			t.Errorf("%v: %v", variables, err)
		}
		expected := defaults
		want(&expected)
		if diff := cmp.Diff(expected, got); diff != "" {
			t.Errorf("%v: -want +got\n%s", variables, diff)
		}
	}
	parse(func(*config) {})
	parse(func(*config) {}, "T_EVERY=", "T_COUNT=", "LOG_LEVEL=", "T_URL=") // empty is unset
	parse(func(c *config) { c.Every = 1500 * time.Millisecond }, "T_EVERY=1.5")
	// Not a nanosecond less.
	parse(func(c *config) { c.Every = 1001 * time.Millisecond }, "T_EVERY=1.001")
	parse(func(c *config) { c.Every = 90 * time.Second }, "T_EVERY=1m30s")
	parse(func(c *config) { c.Every = 30 * 24 * time.Hour }, "T_EVERY=30d")
	parse(func(c *config) { c.Every = 14 * 24 * time.Hour }, "T_EVERY=2w")
	parse(func(c *config) { c.Token = "s3cret" }, "T_TOKEN=", "T_TOKEN_FILE="+secret)
	parse(func(c *config) { c.URL = "s3cret" }, "T_URL_FILE="+secret) // a file goes before a default
	parse(func(c *config) { c.Log = Log{slog.LevelDebug, "json"} },
		"LOG_LEVEL=debug", "LOG_FORMAT=json")
	parse(func(c *config) { c.Words = []string{"c"} }, "T_WORDS=c")
	parse(func(c *config) { c.Format = "anything" }, "T_FORMAT=anything")
}

func TestParseConfigLeavesTheEnvironmentAlone(t *testing.T) {
	t.Setenv("T_COUNT", "99") // the process's own, which nobody asked for
	environ := map[string]string{"T_TOKEN": "x", "T_SIZE": ""}
	got, err := ParseConfig[config](environ)
	if err != nil || got.Count != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff(map[string]string{"T_TOKEN": "x", "T_SIZE": ""}, environ); diff != "" {
		t.Error(diff)
	}
	type optional struct {
		Count int `env:"T_COUNT" envDefault:"3"`
	}
	if got, err := ParseConfig[optional](nil); err != nil || got.Count != 3 {
		t.Errorf("a nil map: %+v, %v", got, err)
	}
}

// All at once, those of Validate too, and no secret.
func TestParseConfigErrors(t *testing.T) {
	t.Parallel()
	fails := func(variables string, want ...string) {
		t.Helper()
		_, err := ParseConfig[config](env.ToMap(strings.Split(variables, " ")))
		if e, ok := errors.AsType[*ExitError](err); !ok || e.Status != 2 {
			t.Fatalf("%s: %#v", variables, err)
		}
		if diff := cmp.Diff(want, strings.Split(err.Error(), "\n  ")[1:]); diff != "" {
			t.Errorf("%s: -want +got\n%s", variables, diff)
		}
	}
	fails("T_TOKEN=", "T_TOKEN[_FILE]: is required and not set")
	for _, text := range []string{"soon", "NaN", "1e300", "d", "2000000000w", "99999999999999999d"} {
		fails("T_TOKEN=x T_EVERY="+text, `T_EVERY="`+text+
			`": is not a duration: write 5s, 500ms, 1h30m, 30d or a number of seconds`)
	}
	fails("T_TOKEN=x T_EVERY=0", `T_EVERY="0s": must be more than 0`)
	fails("T_TOKEN=x T_COUNT=1.5 T_SIZE=-1 T_SHARE=x T_ON=maybe",
		`T_COUNT="1.5": is not a whole number`,
		`T_SIZE="-1": is not a whole number of 0 or more`,
		`T_SHARE="x": is not a number`,
		`T_ON="maybe": is neither true nor false`)
	fails("T_TOKEN=x LOG_LEVEL=loud LOG_FORMAT=xml",
		`LOG_LEVEL="loud": is none of debug, info, warn and error`,
		`LOG_FORMAT="xml": is neither text nor json`)
	fails("T_TOKEN=x T_FORMAT=ok LOG_FORMAT=xml", `LOG_FORMAT="xml": is neither text nor json`)
	fails("T_EVERY=soon T_COUNT=1000 T_PIN=12345",
		`T_EVERY="soon": is not a duration: write 5s, 500ms, 1h30m, 30d or a number of seconds`,
		"T_TOKEN[_FILE]: is required and not set", "T_PIN: has a wrong value",
		`T_COUNT="1000": is more than 100`)

	dir := t.TempDir()
	empty, absent := filepath.Join(dir, "empty"), filepath.Join(dir, "absent")
	if err := os.WriteFile(empty, []byte(" \n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fails("T_TOKEN_FILE="+absent,
		fmt.Sprintf("T_TOKEN_FILE=%q: open %[1]s: no such file or directory", absent))
	fails("T_TOKEN_FILE="+empty, fmt.Sprintf("T_TOKEN_FILE=%q: is an empty file", empty))
	fails("T_TOKEN=s3cret T_TOKEN_FILE="+empty,
		"T_TOKEN: is set, and T_TOKEN_FILE too: give one of them")
}
