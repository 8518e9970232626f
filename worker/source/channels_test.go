package source

import (
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/generator/redistest"
)

func TestChannels(t *testing.T) {
	t.Parallel()
	for list, want := range map[string][]string{
		"colors":                   {"colors"},
		" a, b ":                   {"a", "b"},
		"colors.*,other":           {"colors.*", "other"},
		"a?,b*":                    {"a?", "b*"},
		"[a-c]x,dx,[^a-d]x":        {"[a-c]x", "dx", "[^a-d]x"},
		`a\**,ab`:                  {`a\**`, "ab"},
		"*.red.x,*.blue":           {"*.red.x", "*.blue"},
		"a*c,a*d":                  {"a*c", "a*d"},
		"":                         nil,
		"a,":                       nil,
		"a,a":                      nil,
		"colors.*,colors.red":      nil,
		"colors.red,*":             nil,
		"colors.*,*.red":           nil,
		"a*b,*c*":                  nil,
		"a?c,ab[a-d]":              nil,
		"h[^a]llo,hello":           nil,
		`a\*,a*`:                   nil,
		"**,x":                     nil,
		"a*a,a":                    {"a*a", "a"},
		"*a*a*a*a*b,*a*a*a*a*b*c*": nil,
	} {
		got, err := Channels(list)
		if (err == nil) != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", list, got, err, want)
		}
	}
}

// What matches is what Redis itself matches.
func TestOverlapIsRedisOwn(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	channels := []string{"a", "ab", "abc", "a*c", "b", "colors.red", "[a]", "a-c"}
	for _, pattern := range []string{
		"*", "a*", "?", "a?c", "[ab]", "[^a]", "[a-c]*", `a\*c`, "*c", "colors.*", "*.red", "[", "[a", "a[-]c", `\[a]*`,
		"[c-a]", `[\a-c]`, "**", "a**c", "[^", "a[b-",
	} {
		sub := client.PSubscribe(t.Context(), pattern)
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, name := range channels {
			if n := client.Publish(t.Context(), name, "x").Val(); n == 1 {
				got = append(got, name)
			}
		}
		_ = sub.Close()
		for deadline := time.Now().Add(time.Second); time.Now().Before(deadline); {
			if n, _ := client.PubSubNumPat(t.Context()).Result(); n == 0 {
				break
			}
		}
		var want []string
		for _, name := range channels {
			literal := strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(name)
			if overlap(globOf(pattern), globOf(literal)) != slices.Contains(got, name) {
				want = append(want, name)
			}
		}
		if len(want) > 0 {
			t.Errorf("pattern %q, channels %q: not as in Redis", pattern, want)
		}
	}
}
