package lint_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"colorstream/grafana/lint"
)

func TestShippedFilesAreClean(t *testing.T) {
	t.Parallel()
	for _, p := range check(t, os.DirFS("..")) {
		t.Error(p)
	}
}

// A finding is what a patch of a valid file must give: one problem at least, all of the same rule,
// and the first one says so.
type finding struct {
	rule  string
	patch patch
	says  string // the first problem's place and text, in part
}

const (
	panel  = "/panels/0"
	target = panel + "/targets/0"
	rule   = "/groups/0/rules/0"
)

var (
	influx   = map[string]any{"type": "influxdb", "uid": "colorstream-influxdb"}
	second   = map[string]any{"refId": "A", "datasource": influx, "query": "v.timeRangeStart"}
	override = panel + "/fieldConfig/overrides/0"
)

var dashboards = []finding{
	{"json", whole(""), "the file is empty"},
	{"json", whole("[]"), "this is no dashboard"},
	{"json", text(`"refresh": "5s",`, `"refresh": "5s"`), "line 5: invalid character"},
	{"json", func(text string) (string, error) {
		return text[:len(text)/2], nil
	}, "line 42: unexpected end"},
	{"json", func(text string) (string, error) { return text + "{}", nil }, "after top-level value"},
	{"json", set("/spec", map[string]any{}), "export it again as Classic"},
	{"json", whole(`{"apiVersion": "dashboard.grafana.app/v2beta1", "spec": {}}`), "v2 schema"},
	{"inputs", set("/__inputs", []any{}), `remove "__inputs"`},
	{"volatile", set("/id", 7), `remove the key "id"`},
	{"uid", set("/uid", ""), "give it one"},
	{"uid", set("/uid", "with space"), "give it one"},
	{"title", set("/title", " "), "the title is empty"},
	{"schema", set("/schemaVersion", 37), "use 42"},
	{"refresh", set("/refresh", "1s"), `"5s" or longer`},
	{"refresh", set("/refresh", 5), "use a string"},
	{"strict", set(panel+"/titel", "Mean"), "titel"},
	{"strict", set(panel+"/fieldConfig/defaults/custom", map[string]any{"lineWith": 2}), "lineWith"},
	{"strict", set(panel+"/fieldConfig/defaults/unti", "s"), "unti"},
	{"strict", set(panel+"/fieldConfig/defaults/decimals", "2"), "decimals"},
	{"strict", set(panel+"/options/legend", map[string]any{"showLegend": "yes"}), `panel 1 "Mean"`},
	{"strict", set(panel+"/description", 3), "description"},
	{"grid", set(panel+"/gridPos", removed), "it has no place"},
	{"grid", set(panel+"/gridPos/w", 25), "at most 24"},
	{"grid", set("/panels/1/gridPos/x", 3), `it lies on panel 1 "Mean"`},
	{
		"link", set(panel+"/fieldConfig/defaults/links/0/url", "/d/pipeline/pipeline"),
		"loses the time range",
	},
	{
		"link", set("/links", []any{map[string]any{"title": "X", "type": "link", "url": "/d/none/x"}}),
		"in no file",
	},
	{"panel-id", set(panel+"/id", removed), "use a whole number"},
	{"panel-id", set(panel+"/id", "1"), "use a whole number"},
	{"panel-id", set("/panels/1/id", 1), `that of the panel "Mean" too`},
	{"panel-type", set("/panels/1/type", "statt"), "no type of panel"},
	{"repeat", set(panel+"/repeat", "shade"), `the variable "shade"`},
	{"color-mode", set(panel+"/fieldConfig/defaults/color/mode", "rainbow"), `"rainbow"`},
	{"color", set(override, removed), `the series "red" is drawn in "any"`},
	{"color", set(override+"/matcher/id", "byRegexp"), `the series "red" is drawn in "any"`},
	{"color", set(override+"/properties/0/value/fixedColor", "semi-dark-blue"), `"semi-dark-blue"`},
	{"target", set(target+"/qurey", "x"), `unknown key "qurey"`},
	{"target", set(target+"/refId", ""), "no refId"},
	{"target", set(panel+"/targets/-", second), `two queries have the refId "A"`},
	{"query", set(target+"/query", " "), "is empty"},
	{"datasource", set(panel+"/datasource", removed), "names no data source"},
	{"datasource", set(panel+"/datasource", "InfluxDB"), "the old way"},
	{"datasource", set(target+"/datasource/uid", "${DS_INFLUXDB}"), "placeholder"},
	{
		"datasource", set("/annotations/list/0/datasource/uid", "other"),
		`annotation Marks: the data source of it is "other"`,
	},
	{"macro", text("v.windowPeriod", "dashboard.windowPeriod"), "write v.windowPeriod"},
	{"macro", text("v.windowPeriod", "v.interval"), "does not know v.interval"},
	{"macro", text("v.windowPeriod", "$__interval"), "is no Flux"},
	{"bucket", text("bucket: v.defaultBucket)\\n", `bucket: \"color_data\")\n`), "names a bucket"},
	{"every", text("every: v.windowPeriod", "every: 5s"), "fixed step 5s"},
	{"range", text("start: v.timeRangeStart", "start: -1h"), "does not follow the time picker"},
	{"range", text(", start: -1d", ""), "looks back 30 days"},
	{"variable", text("${color:regex}", "${shade:regex}"), `no variable "shade"`},
	{
		"variable", set("/templating/list/-", map[string]any{"name": "color", "type": "custom"}),
		"two of this name",
	},
	{
		"variable", set("/templating/list/-", map[string]any{"name": "ds", "type": "datasource"}),
		"does not work on the page",
	},
	{"duplicate-uid", set("/uid", "pipeline"), "that of pipeline.json too"},
	{"duplicate-title", set("/title", "Pipeline"), "that of pipeline.json too"},
}

// Patches of the home dashboard, as the page shows its panels 1 to 4.
var embedded = []finding{
	{"embedded", text(`"id": 2,`, `"id": 92,`), "panel 2 is missing"},
	{
		"embedded", text(`r._field == \"median\")`, `r._field == \"mean\")`),
		`does not read the field "median"`,
	},
	{"embedded", text(`some)\n  |> aggregateWindow(every: v.windowPeriod, fn: max`,
		`/${color}/)\n  |> aggregateWindow(every: v.windowPeriod, fn: max`), "uses a variable"},
}

var rules = []finding{
	{"yaml", text("groups:", "groups: ]"), "no YAML"},
	{"alert-uid", set(rule+"/uid", "with space"), "change it"},
	{"alert-title", set(rule+"/title", ""), "its title is empty"},
	{"alert-text", set(rule+"/annotations/summary", removed), "summary and description"},
	{"alert-text", set(rule+"/labels", map[string]any{}), "severity"},
	{"alert-text", set(rule+"/execErrState", "Error"), "its summary has a hole"},
	{"alert-label", set(rule+"/labels/color", "{{ $labels.color }}"), "a dollar sign"},
	{"alert-state", set(rule+"/noDataState", removed), "noDataState"},
	{"alert-step", set(rule+"/condition", "C"), "none of its steps"},
	{"alert-step", set(rule+"/data/0/model/refId", "A"), "must be the same"},
	{"alert-step", set(rule+"/data/0/relativeTimeRange", removed), "relativeTimeRange"},
	{"alert-step", text("v.timeRangeStop)", "v.timeRangeStop) // $x"), "a dollar sign"},
	{"alert-step", set(rule+"/data/1/model/type", "math"), "use reduce and threshold"},
	{
		"alert-step", set(rule+"/data/2/model/conditions/0/evaluator/type", "above"),
		`compares with "above"`,
	},
	{"alert-panel", set(rule+"/panelId", 7), `panel 7 of the dashboard "valid"`},
	{"alert-panel", set(rule+"/dashboardUid", removed), "in no file"},
	{"datasource", set(rule+"/data/0/datasourceUid", "other"), `the data source "other"`},
}

var providers = []finding{
	{"yaml", text("providers:", "providers: ]"), "no YAML"},
	{"deletion", text("disableDeletion: true", "disableDeletion: false"), "set disableDeletion: true"},
	{"deletion", text("updateIntervalSeconds: 15", "updateIntervalSeconds: 10"), "use 15"},
}

func TestEveryRuleFires(t *testing.T) {
	t.Parallel()
	fired := map[string]bool{}
	for _, group := range []struct {
		source, path string
		findings     []finding
	}{
		{"testdata/valid.json", "dashboards/valid.json", dashboards},
		{"../dashboards/colors.json", "dashboards/colors.json", embedded},
		{"testdata/valid.yaml", "provisioning/alerting/valid.yaml", rules},
		{
			"../provisioning/dashboards/colorstream.yaml", "provisioning/dashboards/colorstream.yaml",
			providers,
		},
	} {
		for _, f := range group.findings {
			files := files(t)
			text, err := f.patch(read(t, group.source))
			if err != nil {
				t.Errorf("%s: %v", f.rule, err)
				continue
			}
			files[group.path] = &fstest.MapFile{Data: []byte(text)}
			if f.rule == "embedded" || group.path == "dashboards/valid.json" {
				delete(files, "provisioning/alerting/valid.yaml") // it leads to a panel that may be gone
			}
			problems := check(t, files)
			if len(problems) == 0 {
				t.Errorf("%s: nothing was found, want %q", f.rule, f.says)
				continue
			}
			if !strings.Contains(problems[0].String(), f.says) {
				t.Errorf("%s: found %q, want %q in it", f.rule, problems[0], f.says)
			}
			for _, p := range problems {
				fired[p.Rule] = true
				if p.Rule != f.rule {
					t.Errorf("%s: the rule %q was broken too: %v", f.rule, p.Rule, p)
				}
			}
		}
	}
	for _, rule := range ruleNames(t) {
		if !fired[rule] {
			t.Errorf("no patch breaks the rule %q", rule)
		}
	}
}

// files are the valid ones, and others that they lead to.
func files(t *testing.T) fstest.MapFS {
	t.Helper()
	out := fstest.MapFS{}
	add := func(path, text string) { out[path] = &fstest.MapFile{Data: []byte(text)} }
	for uid, title := range map[string]string{
		"color": "One colour", "colors-live": "Live",
		"pipeline": "Pipeline",
	} {
		add("dashboards/"+uid+".json",
			fmt.Sprintf(`{"uid": %q, "title": %q, "schemaVersion": 42}`, uid, title))
	}
	add("dashboards/valid.json", read(t, "testdata/valid.json"))
	add("provisioning/alerting/valid.yaml", read(t, "testdata/valid.yaml"))
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func check(t *testing.T, files fs.FS) []lint.Problem {
	t.Helper()
	set, err := lint.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	return lint.Check(set)
}

// ruleNames reads the names of all rules out of the package's source.
func ruleNames(t *testing.T) []string {
	t.Helper()
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, path := range sources {
		for _, m := range regexp.MustCompile(`\.add(?:If)?\("([a-z0-9-]+)"`).FindAllStringSubmatch(
			read(t, path), -1) {
			out = append(out, m[1])
		}
	}
	return out
}
