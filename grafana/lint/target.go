package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"colorstream/grafana/query"
)

// keys are what a Flux target may hold.
var keys = []string{"refId", "datasource", "query", "hide", "queryType", "rawQuery", "key"}

// liveType is the live data source's type, the plugin's id.
const liveType = "colorstream-live-datasource"

// liveKeys are what a target of the live data source may hold.
var liveKeys = []string{
	"refId", "datasource", "hide", "queryType", "stream", "show", "statistic",
	"colors", "streaming",
}

// builtin are the data sources that are Grafana's own.
var builtin = []string{"-- Grafana --", "-- Mixed --", "-- Dashboard --", "grafana", "__expr__"}

func (r report) targets(p panel, declared []string) {
	refs := map[string]bool{}
	if source := p.Get("datasource"); len(p.targets()) > 0 || source.Type != gjson.Null {
		r.source("the panel", source)
	}
	for _, t := range p.targets() {
		source := t.Get("datasource.uid").Str
		if source == "-- Dashboard --" { // another panel's answer
			continue
		}
		ref := t.Get("refId").Str
		r.addIf("target", ref == "", "a query has no refId: name it A, B, …")
		r.addIf("target", refs[ref], "two queries have the refId %q: give one another letter", ref)
		refs[ref] = true
		known := keys
		if source == Live {
			known = liveKeys
		}
		t.ForEach(func(key, _ gjson.Result) bool {
			r.addIf("target", !slices.Contains(known, key.Str),
				"query %s has the unknown key %q: correct or remove it (known are %s)",
				ref, key.Str, strings.Join(known, ", "))
			return true
		})
		r.source("query "+ref, t.Get("datasource"))
		if source != Live {
			r.charted("query "+ref, t.Get("query").Str, declared)
		}
	}
}

// source checks a reference to a data source.
func (r report) source(what string, ref gjson.Result) {
	const use = `use {"type": "influxdb", "uid": "` + DataSource + `"}`
	uid, kind := ref.Get("uid").Str, ref.Get("type").Str
	switch {
	case ref.Type == gjson.Null:
		r.add("datasource", "%s names no data source: %s", what, use)
	case !ref.IsObject():
		r.add("datasource", "%s names its data source the old way, by %s: %s", what, ref.Raw, use)
	case strings.Contains(uid, "DS_"):
		r.add("datasource", "the data source of %s is the placeholder %s: %s", what, uid, use)
	case slices.Contains(builtin, uid):
	case uid == Live && kind == liveType:
	case !slices.Contains(fluxSources, uid) || kind != "influxdb":
		r.add("datasource", "the data source of %s is %q of type %q: %s", what, uid, kind, use)
	}
}

var (
	macro = regexp.MustCompile(
		`\b([a-zA-Z]+)\.(timeRangeStart|timeRangeStop|windowPeriod|bucket|defaultBucket|organization)\b`)
	vMember = regexp.MustCompile(`\bv\.([a-zA-Z]+)`)
	from    = regexp.MustCompile(`from\s*\(\s*bucket:\s*"`)
	every   = regexp.MustCompile(`every:\s*(\d\w*)`)
	legacy  = regexp.MustCompile(`\$__\w+`)
)

// flux checks the text of a query. Declared are the variables that it may use, nil if that is
// another's business.
func (r report) flux(what, text string, declared []string) {
	if strings.TrimSpace(text) == "" {
		r.add("query", "%s is empty: write it, or remove it", what)
		return
	}
	for _, m := range macro.FindAllStringSubmatch(text, -1) {
		r.addIf("macro", m[1] != "v", "%s: write v.%s instead of %s", what, m[2], m[0])
	}
	for _, m := range vMember.FindAllStringSubmatch(text, -1) {
		r.addIf("macro", !slices.Contains(query.Macros, m[1]),
			"%s: Grafana does not know v.%s, only v.%s", what, m[1], strings.Join(query.Macros, ", v."))
	}
	m := legacy.FindString(text)
	r.addIf("macro", m != "",
		"%s: %s is no Flux: use v.timeRangeStart, v.timeRangeStop, v.windowPeriod", what, m)
	r.addIf("bucket", from.MatchString(text),
		"%s names a bucket: write from(bucket: v.defaultBucket), so that INFLUX_BUCKET decides", what)
	for _, use := range query.Reference.FindAllStringSubmatch(text, -1) {
		name := use[1] + use[3] + use[5]
		known := declared == nil || strings.HasPrefix(name, "__") || slices.Contains(declared, name)
		r.addIf("variable", !known,
			"%s uses %s, but the dashboard has no variable %q: add it, or correct the name",
			what, use[0], name)
	}
}

// charted checks a query that a panel draws over the dashboard's time.
func (r report) charted(what, text string, declared []string) {
	r.flux(what, text, declared)
	r.ranged(what, text)
	if m := every.FindStringSubmatch(text); m != nil && strings.Contains(text, "aggregateWindow") {
		r.add("every", "%s has the fixed step %s, too fine for 30 days: use every: v.windowPeriod",
			what, m[1])
	}
}

// ranged checks that a query reads the range that it is asked for.
func (r report) ranged(what, text string) {
	r.addIf("range", strings.TrimSpace(text) != "" && !strings.Contains(text, "v.timeRangeStart"),
		"%s does not follow the time picker: use range(start: v.timeRangeStart, stop: v.timeRangeStop)",
		what)
}

func names(d *Dashboard) []string {
	out := []string{}
	for _, v := range d.Get("templating.list").Array() {
		out = append(out, v.Get("name").Str)
	}
	return out
}

// variables checks template variables and annotations.
func (r report) variables(d *Dashboard) {
	declared := names(d)
	for i, v := range d.Get("templating.list").Array() {
		name, kind, flux := v.Get("name").Str, v.Get("type").Str, flux(v)
		r := r.at("variable " + name)
		r.addIf("variable", slices.Contains(declared[:i], name), "there are two of this name: rename one")
		r.addIf("variable", kind == "datasource",
			"a variable for the data source does not work on the page and in alerts: refer to %s itself",
			DataSource)
		if kind == "query" {
			r.source("it", v.Get("datasource"))
			r.flux("its query", flux, declared)
			r.addIf("range", strings.Contains(flux, "tagValues") && !strings.Contains(flux, "start:"),
				"schema.tagValues looks back 30 days unless told otherwise: give it a start")
		}
	}
	for _, a := range d.annotations() {
		r := r.at("annotation " + a.Get("name").Str)
		r.source("it", a.Get("datasource"))
		r.charted("its query", a.Get("target.query").Str, declared)
	}
}
