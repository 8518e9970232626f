package pull_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colorstream/grafana/pull"
)

// grafana stands in for the real one: the dashboards it has, by uid.
type grafana map[string]string

func (g grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, ok := r.BasicAuth(); ok && (user != "admin" || password != "right") {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if r.URL.Path == "/api/search" {
		list := []map[string]string{}
		for uid := range g {
			list = append(list, map[string]string{"uid": uid, "title": uid})
		}
		_ = json.NewEncoder(w).Encode(list)
		return
	}
	text, ok := g[strings.TrimPrefix(r.URL.Path, "/api/dashboards/uid/")]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_, _ = w.Write([]byte(`{"meta": {"slug": "x"}, "dashboard": ` + text + `}`))
}

// setUp makes a folder with one dashboard that Grafana has in another form.
func setUp(t *testing.T, g grafana) (pull.Config, string) {
	t.Helper()
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	dir := t.TempDir()
	path := filepath.Join(dir, "mine.json")
	file, err := pull.Canonical([]byte(stored), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, file, 0o640); err != nil {
		t.Fatal(err)
	}
	return pull.Config{URL: server.URL, Dir: dir}, path
}

const stored = `{"uid": "mine", "title": "Mine", "schemaVersion": 37, "panels": [
	{"id": 1, "type": "stat", "title": "Sum", "pluginVersion": "9.4.0", "targets": [{"refId": "A", "query": "a |> b"}]}],
	"templating": {"list": [{"name": "color", "type": "query", "query": "q", "current": {"text": ["red"], "value": ["red"]}, "options": []}]}}`

// As Grafana gives it after somebody looked around and saved nothing new.
const same = `{"id": 7, "version": 12, "iteration": 5, "style": "dark", "title": "Mine", "uid": "mine", "schemaVersion": 37,
	"templating": {"list": [{"type": "query", "name": "color", "query": "q", "error": null,
		"current": {"text": ["blue"], "value": ["blue"]}, "options": [{"text": "blue"}]}]},
	"panels": [{"targets": [{"query": "a |> b", "refId": "A"}], "title": "Sum", "id": 1, "type": "stat", "pluginVersion": "12.4.5"}]}`

func run(t *testing.T, c pull.Config) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := pull.Run(t.Context(), &out, c)
	return out.String(), err
}

func TestAnEditIsOneLine(t *testing.T) {
	t.Parallel()
	for said, g := range map[string]grafana{
		"unchanged": {"mine": same}, "not in Grafana (yet), left as it is": {},
		"written": {"mine": strings.Replace(same, `"Sum"`, `"Total"`, 1)},
	} {
		c, path := setUp(t, g)
		file, _ := os.ReadFile(path)
		want := string(file)
		if said == "written" {
			want = strings.Replace(want, `"title": "Sum"`, `"title": "Total"`, 1)
		}
		if got, err := run(t, c); err != nil || got != "mine.json: "+said+"\n" {
			t.Errorf("said %q, %v, want %q", got, err, said)
		}
		after, _ := os.ReadFile(path)
		if diff := cmp.Diff(want, string(after)); diff != "" {
			t.Errorf("%s: more or less than the title changed (-want +got):\n%s", said, diff)
		}
	}
}

// What Grafana adds and leaves out when it saves is no change, where it means nothing; nor is how
// far down panels stand because a panel above was repeated for many colours.
func TestSavingChangesNothingElse(t *testing.T) {
	t.Parallel()
	const file = `{"uid": "mine", "title": "Mine", "panels": [
		{"id": 1, "type": "stat", "repeat": "color", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
			"fieldConfig": {"defaults": {"thresholds": {"steps": [{"color": "red", "value": null}, {"color": "green", "value": 1}]}}}},
		{"id": 2, "type": "stat", "title": "Sum", "least": null, "lineWidth": 1.50, "fieldConfig": {"defaults": {}, "overrides": []},
			"gridPos": {"x": 0, "y": 8, "w": 24, "h": 8}}],
		"templating": {"list": [{"name": "scale", "type": "custom", "multi": false}]}}`
	const saved = `{"uid": "mine", "title": "Mine", "panels": [
		{"id": 1, "type": "stat", "repeat": "color", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
			"fieldConfig": {"defaults": {"thresholds": {"steps": [{"color": "red"}, {"color": "green", "value": 1}]}, "links": []}}},
		{"id": 2, "type": "stat", "title": "Sum of all", "description": "", "least": 0, "lineWidth": 1.5, "gridPos": {"x": 0, "y": 32, "w": 24, "h": 8}}],
		"templating": {"list": [{"name": "scale", "type": "custom", "options": []}]}, "version": 4}`
	want, err := pull.Canonical([]byte(strings.Replace(file, "Sum", "Sum of all", 1)), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := pull.Canonical([]byte(saved), []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("more or less than the title changed (-want +got):\n%s", diff)
	}
}

func TestNewDashboards(t *testing.T) {
	t.Parallel()
	c, _ := setUp(t, grafana{
		"mine":  same,
		"other": `{"uid": "other", "title": "Other", "panels": [], "schemaVersion": 39}`,
	})
	said, err := run(t, c)
	if want := "other is in Grafana only; give its uid to save it as other.json"; err != nil ||
		!strings.Contains(said, want) {
		t.Errorf("said %q, %v, want %q", said, err, want)
	}
	c.Only = []string{"other"}
	if said, err = run(t, c); err != nil || said != "other.json: new\n" {
		t.Errorf("said %q, %v", said, err)
	}
	if data, err := os.ReadFile(filepath.Join(c.Dir, "other.json")); err != nil ||
		!strings.Contains(string(data), `"Other"`) {
		t.Errorf("other.json: %s, %v", data, err)
	}
	c.Only = []string{"third"}
	if _, err = run(t, c); err == nil || !strings.Contains(err.Error(), `no dashboard "third"`) {
		t.Errorf("error %v", err)
	}
}

func TestRejected(t *testing.T) {
	t.Parallel()
	const v2 = `{"apiVersion": "dashboard.grafana.app/v2beta1", "kind": "Dashboard", "spec": {"elements": {}}}`
	cases := map[string]struct {
		g      grafana
		change func(*pull.Config)
		want   string
	}{
		"v2 schema": {g: grafana{"mine": v2}, want: "v2 schema"},
		"wrong password": {g: grafana{"mine": same}, change: func(c *pull.Config) {
			c.User, c.Password = "admin", "wrong"
		}, want: "GRAFANA_TOKEN"},
		"no Grafana": {g: grafana{}, change: func(c *pull.Config) {
			c.URL = "http://127.0.0.1:1"
		}, want: "GRAFANA_URL=http://127.0.0.1:1"},
		"broken file": {g: grafana{"mine": same}, change: func(c *pull.Config) {
			_ = os.WriteFile(filepath.Join(c.Dir, "mine.json"), []byte(`{"uid": "mi`), 0o644)
		}, want: "correct the file before pulling"},
		"twice the same": {g: grafana{"mine": same}, change: func(c *pull.Config) {
			_ = os.WriteFile(filepath.Join(c.Dir, "other.json"), []byte(stored), 0o644)
		}, want: "mine.json too; correct the file before pulling"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, path := setUp(t, tc.g)
			if tc.change != nil {
				tc.change(&c)
			}
			before, _ := os.ReadFile(path)
			_, err := run(t, c)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q in it", err, tc.want)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
				t.Error("the file changed all the same")
			}
		})
	}
}

// The files in the repository are in the form that pull writes, or the first
// pull would change every line.
func TestShippedFilesAreCanonical(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../dashboards/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("%v, %d files", err, len(paths))
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := pull.Canonical(data, data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", path, diff)
		}
	}
}

func FuzzCanonicalIsStable(f *testing.F) {
	f.Add([]byte(stored))
	f.Add([]byte(same))
	f.Add([]byte(`{"a": [1.50, 1e400, "<&>", null, {}], "panels": [{"id": "x"}, 3]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := pull.Canonical(data, nil)
		if err != nil {
			return
		}
		twice, err := pull.Canonical(once, once)
		if err != nil {
			t.Fatalf("its own output is rejected: %v\n%s", err, once)
		}
		if !bytes.Equal(once, twice) {
			t.Errorf("not stable:\n%s\n%s", once, twice)
		}
	})
}
