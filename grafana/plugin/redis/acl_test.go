package redis

import (
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/generator/service/servicetest"
)

// The user that the worker's docs/redis.md makes for the live data source suffices, and may do
// nothing else.
func TestRestrictedUser(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../worker/docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^    (ACL SETUSER live .*)$`).FindStringSubmatch(string(text))
	if line == nil {
		t.Fatal("there is no line for live")
	}
	var args []any
	for arg := range strings.FieldsSeq(line[1]) {
		args = append(args, arg)
	}
	for _, stream := range []bool{false, true} {
		server := redistest.Start(t)
		admin := server.Client()
		if err := admin.Do(t.Context(), args...).Err(); err != nil {
			t.Fatal(err)
		}
		send := func() {
			if stream {
				admin.XAdd(t.Context(), &goredis.XAddArgs{
					Stream: "colors",
					Values: []string{entryField, "hello"},
				})
			} else {
				admin.Publish(t.Context(), "colors", "hello")
			}
		}
		cfg := Config{
			Redis: at("redis://live:PASSWORD@" + server.Addr()), Channel: "colors",
			Stream: stream, Width: time.Second,
		}
		r := start(t, cfg)
		servicetest.Eventually(t, "connected", func() bool {
			return strings.HasSuffix(r.state(), "connected")
		})
		servicetest.Eventually(t, "a message", func() bool {
			send()
			return slices.Contains(r.got(), "hello")
		})
		s, err := New(slog.New(slog.DiscardHandler), cfg)
		if err != nil {
			t.Fatal(err)
		}
		repeat(t, send)
		if _, err := s.Probe(t.Context()); err != nil {
			t.Error(err)
		}
		if log := admin.Do(t.Context(), "acl", "log").Val(); len(log.([]any)) > 0 {
			t.Errorf("Redis refused %v", log)
		}
		user := goredis.NewClient(&goredis.Options{
			Addr: server.Addr(), Username: "live",
			Password: "PASSWORD",
		})
		defer user.Close()
		for _, command := range [][]any{
			{"publish", "colors", "x"},
			{"xadd", "colors", "*", "m", "x"},
			{"get", "other"},
		} {
			if err := user.Do(t.Context(), command...).Err(); err == nil ||
				!strings.Contains(err.Error(), "NOPERM") {
				t.Errorf("it may %v: %v", command, err)
			}
		}
	}
}
