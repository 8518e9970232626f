package channel

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueriesAndTheirPaths(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ json, path string }{
		{`{}`, "windows/running/mean"},
		{
			`{"refId":"A","hide":false,"stream":"windows","show":"closed","statistic":"max"}`,
			"windows/closed/max",
		},
		{`{"statistic":"count","colors":["red","blue","red",""]}`, "windows/running/count/red/blue"},
		{`{"statistic":"p99.9"}`, "windows/running/p99.9"},
		{`{"stream":"messages","statistic":"max"}`, "messages"},
		{`{"stream":"rates","colors":["50% grün"]}`, "rates/50=25=20gr=C3=BCn"},
		{`{"stream":"rates","colors":["a/b","..","="]}`, "rates/a=2Fb/=2E=2E/=3D"},
	} {
		q, err := FromJSON([]byte(c.json))
		if err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		if q.Path() != c.path {
			t.Errorf("%s: path %s, want %s", c.json, q.Path(), c.path)
		}
		back, err := Parse(c.path)
		if diff := cmp.Diff(q, back); diff != "" || err != nil {
			t.Errorf("Parse(%s): %v %s", c.path, err, diff)
		}
	}
}

func TestQueriesThatAreRefusedSayWhy(t *testing.T) {
	t.Parallel()
	colors := make([]string, maxColors+1)
	for i := range colors {
		colors[i] = fmt.Sprint("c", i)
	}
	many, err := json.Marshal(map[string]any{"colors": colors})
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		`{"stream":"colours"}`: "running or closed, messages or rates",
		`{"show":"both"}`:      `"windows/both"`,
		`{"statistic":"avg"}`:  "mean, median, min, max, stddev, count or a percentile",
		`{"colors":"red"}`:     "not understood",
		string(many):           "51 colours",
		`[`:                    "not understood",
	} {
		if _, err := FromJSON([]byte(query)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want one with %q", query, err, want)
		}
	}
}

func TestAChannelFitsGrafana(t *testing.T) {
	t.Parallel()
	uid := strings.Repeat("u", 40)
	q := Query{Stream: Rates, Colors: []string{strings.Repeat("a", 111-len("rates/")+5)}}
	if name, err := q.Channel(uid); err != nil || len(name) != maxChannel {
		t.Errorf("%d bytes, %v", len(name), err)
	}
	q.Colors[0] += "a"
	if _, err := q.Channel(uid); err == nil || !strings.Contains(err.Error(), "choose fewer") {
		t.Errorf("one byte more: %v", err)
	}
}

func TestOtherPathsAreNoStreams(t *testing.T) {
	t.Parallel()
	for _, path := range []string{
		"", "windows", "windows/running", "windows/open/mean", "windows/running/avg",
		"windows/running/p101", "messages/", "rates//red", "rates/a b", "rates/a.b", "rates/=4",
		"rates/=zz", "rates/=61", "rates/=c3", "rates/red/red", "grafana/broadcast", "RATES",
	} {
		if q, err := Parse(path); err == nil {
			t.Errorf("Parse(%q) = %+v", path, q)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("windows/running/mean/red/50=25")
	f.Add("messages/a=2Fb")
	f.Fuzz(func(t *testing.T, path string) {
		q, err := Parse(path)
		if err != nil {
			return
		}
		if q.Path() != path {
			t.Errorf("Parse(%q).Path() = %q", path, q.Path())
		}
		if !regexp.MustCompile(`^[A-Za-z0-9_/=-]*$`).MatchString(path) {
			t.Errorf("%q has a character that Grafana refuses", path)
		}
	})
}
