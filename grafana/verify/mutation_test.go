package verify_test

import (
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"colorstream/grafana/provision"
	"colorstream/grafana/verify"
)

// Mistakes that run without error and look plausible on a chart.
func TestWrongQueriesAreFound(t *testing.T) {
	t.Parallel()
	cases := map[string]struct{ file, old, new, want string }{
		"mean of the medians":  {"dashboards/colors.json", `r._field == \"mean\")\n  |> aggregateWindow(every: v.windowPeriod, fn: mean`, `r._field == \"median\")\n  |> aggregateWindow(every: v.windowPeriod, fn: mean`, `panel 1 "Mean"`},
		"mean of the minima":   {"dashboards/colors.json", `fn: min, createEmpty`, `fn: mean, createEmpty`, `panel 3 "Min"`},
		"times of the ends":    {"dashboards/colors.json", `fn: max, createEmpty: true, timeSrc: \"_start\"`, `fn: max, createEmpty: true`, `panel 4 "Max"`},
		"gaps closed":          {"dashboards/colors.json", `fn: max, createEmpty: true`, `fn: max, createEmpty: false`, `panel 4 "Max"`},
		"complete for not":     {"dashboards/colors.json", `r._value == false)\n  |> group()\n  |> count()`, `r._value == true)\n  |> group()\n  |> count()`, `panel 8 "Incomplete windows"`},
		"a name as a pattern":  {"dashboards/color.json", `/^${color:regex}$/)\n  |> aggregateWindow(every: v.windowPeriod, fn: sum`, `/^${color}$/)\n  |> aggregateWindow(every: v.windowPeriod, fn: sum`, `panel 4 "Messages per window"`},
		"another colour's lag": {"provisioning/alerting/rules.yaml", `int(v: newest._time) - int(v: r._time)`, `int(v: v.timeRangeStop) - int(v: r._time)`, `rule "A colour has gone silent"`},
		"the share of whole":   {"provisioning/alerting/rules.yaml", `r._value == false`, `r._value == true`, `rule "Many windows are not complete"`},
		"a restart forgotten":  {"dashboards/pipeline.json", `received_total\" and r._field == \"counter\")\n  |> difference(nonNegative: true, initialZero: true)`, `received_total\" and r._field == \"counter\")\n  |> difference(nonNegative: true)`, `panel 3 "Received"`},
		"unheard is lost":      {"dashboards/pipeline.json", `unheard_total\", sign: -1.0`, `unheard_total\", sign: 0.0`, `panel 7 "Not accounted for"`},
		"a field misspelt":     {"dashboards/colors.json", `r._field == \"max\")`, `r._field == \"maximum\")`, `panel 4 "Max"`},
	}
	filled := fill(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := fstest.MapFS{}
			data, err := os.ReadFile("../" + tc.file)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(data), tc.old, tc.new, 1)
			if text == string(data) {
				t.Fatalf("%s has no %s any more", tc.file, tc.old)
			}
			if strings.HasPrefix(tc.file, "provisioning") {
				files["dashboards/none.json"] = &fstest.MapFile{}
			}
			files[tc.file] = &fstest.MapFile{Data: []byte(text)}
			problems := problemsOf(t, filled, files)
			if len(problems) != 1 || !strings.Contains(problems[0], tc.want) {
				t.Errorf("found %q, want one problem at %s", problems, tc.want)
			}
		})
	}
}

// A dashboard that somebody added has no oracle, but its queries must work.
func TestOthersQueriesMustWork(t *testing.T) {
	t.Parallel()
	dashboard := func(flux string) fstest.MapFS {
		return fstest.MapFS{"dashboards/mine.json": {Data: []byte(`{"uid": "mine", "title": "Mine", "panels": [{"id": 1, "type": "timeseries", "title": "Mine",
			"targets": [{"refId": "A", "datasource": {"uid": "colorstream-influxdb"}, "query": "` + strings.ReplaceAll(strings.ReplaceAll(flux, `"`, `\"`), "\n", `\n`) + `"}]}]}`)}}
	}
	const read = `from(bucket: v.defaultBucket) |> range(start: v.timeRangeStart, stop: v.timeRangeStop) |> filter(fn: (r) => r._field == "count")`
	cases := map[string]struct{ flux, want string }{
		"good":       {read + ` |> keep(columns: ["_time", "_value", "color"])`, ""},
		"no columns": {read + ` |> count()`, "needs the columns _time and _value"},
		"nothing":    {strings.Replace(read, "count", "amount", 1), "finds nothing"},
		"no Flux":    {read + ` |> keep(colums: [])`, "InfluxDB refuses the query"},
		"unordered":  {read + ` |> sort(columns: ["_time"], desc: true)`, "not in order of time"},
		"a variable": {read + ` |> filter(fn: (r) => r.color == "$shade")`, `no variable "shade"`},
	}
	filled := fill(t)
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			problems := problemsOf(t, filled, dashboard(tc.flux))
			if tc.want == "" && len(problems) == 0 {
				return
			}
			if tc.want == "" || len(problems) != 1 || !strings.Contains(problems[0], tc.want) {
				t.Errorf("found %q, want one problem with %q", problems, tc.want)
			}
		})
	}
}

func problemsOf(t *testing.T, filled *verify.Filled, files fstest.MapFS) []string {
	t.Helper()
	set, err := provision.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	found, err := filled.Queries(t.Context(), set)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range found {
		out = append(out, p.String())
	}
	return out
}
