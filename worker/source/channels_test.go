package source

import (
	"slices"
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
		`a\*x*,ab`:                 nil, // rather than too little
		"*.red.x,*.blue":           {"*.red.x", "*.blue"},
		"a*c,a*d":                  {"a*c", "a*d"},
		"a*c,abb":                  {"a*c", "abb"},
		`x\d*,xy`:                  nil,
		"*[ab],*c":                 nil,
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
		"*a*a*a*a*b,*a*a*a*a*b*c*": nil,
	} {
		got, err := Channels(list)
		if (err == nil) != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v; want %q", list, got, err, want)
		}
	}
}

// Names that Channels takes together never bring a message twice, by Redis' own matching.
func TestNothingComesTwice(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	channels := []string{"a", "ab", "abc", "a*c", "b", "colors.red", "[a]", "a-c", `a\c`}
	names := []string{
		"*", "a*", "?", "a?c", "[ab]", "[^a]", "[a-c]*", `a\*c`, "*c", "colors.*", "*.red", "[", "[a",
		"a[-]c", `\[a]*`, "[c-a]", `[\a-c]`, "**", "a**c", "[^", "a[b-", "a", "ab", "b", `a\\c`, `[a\]b`,
	}
	matches := make(map[string][]string)
	for _, name := range names {
		subscribe := client.PSubscribe
		if !IsPattern(name) {
			subscribe = client.Subscribe
		}
		sub := subscribe(t.Context(), name)
		if _, err := sub.Receive(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, channel := range channels {
			if client.Publish(t.Context(), channel, "x").Val() == 1 {
				matches[name] = append(matches[name], channel)
			}
		}
		_ = sub.Close()
		for client.PubSubNumPat(t.Context()).Val() > 0 ||
			client.PubSubNumSub(t.Context(), name).Val()[name] > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	for i, a := range names {
		for _, b := range names[:i] {
			if _, err := Channels(a + "," + b); err != nil {
				continue
			}
			for _, channel := range matches[a] {
				if slices.Contains(matches[b], channel) {
					t.Errorf("%q and %q are taken, and both bring %q", a, b, channel)
				}
			}
		}
	}
	if len(matches) < len(names)/2 {
		t.Errorf("only %d names match anything: the test sees nothing", len(matches))
	}
}
