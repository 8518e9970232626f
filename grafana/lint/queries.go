package lint

import (
	"fmt"
	"slices"

	"github.com/tidwall/gjson"
)

// What data sources are called.
const (
	DataSource = "colorstream-influxdb" // the colours' points
	Pipeline   = "colorstream-pipeline" // the programs' metrics
	Live       = "colorstream-live"     // the open windows, from the folder plugin; it has no Flux
	Expression = "__expr__"             // Grafana's own, of expressions
)

// fluxSources are those that are asked in Flux.
var fluxSources = []string{DataSource, Pipeline}

// Query is one Flux query, wherever it stands.
type Query struct {
	File  string
	Where string // for a person: panel 3 "Min"
	Key   string // for a program: colors/3/A, color/variable/color, alert/colorstream-silent-color/lag
	Flux  string
	Kind  string // the panel's type, or variable, annotation, alert

	// Source is the uid of the data source that it reads.
	Source string
	// Range is how many seconds an alert looks back.
	Range int64
	// MaxPoints is how many points a panel asks for, 0 for as many as it is wide.
	MaxPoints int
}

// Queries lists all Flux queries of the files that could be read.
func (s *Set) Queries() []Query {
	var out []Query
	for _, f := range s.Dashboards {
		if f.Dashboard != nil {
			out = append(out, f.Dashboard.queries(f.Name)...)
		}
	}
	for _, r := range s.Rules() {
		for _, step := range r.Get("data").Array() {
			source := step.Get("datasourceUid").Str
			seconds := step.Get("relativeTimeRange.from").Int()
			if !slices.Contains(fluxSources, source) || seconds == 0 {
				continue
			}
			out = append(out, Query{
				File: r.File, Where: fmt.Sprintf("rule %q", r.Get("title").Str), Kind: "alert",
				Key:  "alert/" + r.Get("uid").Str + "/" + step.Get("refId").Str,
				Flux: step.Get("model.query").Str, Range: seconds, Source: source,
			})
		}
	}
	return out
}

func (d *Dashboard) queries(file string) (out []Query) {
	add := func(q Query, source gjson.Result) {
		q.File, q.Key, q.Source = file, d.UID+"/"+q.Key, source.Get("uid").Str
		if slices.Contains(fluxSources, q.Source) {
			out = append(out, q)
		}
	}
	for _, p := range d.panels() {
		for _, t := range p.targets() {
			add(Query{
				Where: p.String(), Kind: p.Get("type").Str, Flux: t.Get("query").Str,
				Key:       fmt.Sprintf("%d/%s", p.number(), t.Get("refId").Str),
				MaxPoints: int(p.Get("maxDataPoints").Int()),
			}, t.Get("datasource"))
		}
	}
	for _, v := range d.Get(`templating.list.#(type=="query")#`).Array() {
		name := v.Get("name").Str
		add(Query{
			Where: fmt.Sprintf("variable %q", name), Kind: "variable", Flux: flux(v),
			Key: "variable/" + name,
		}, v.Get("datasource"))
	}
	for _, a := range d.annotations() {
		name := a.Get("name").Str
		add(Query{
			Where: fmt.Sprintf("annotation %q", name), Kind: "annotation",
			Flux: a.Get("target.query").Str, Key: "annotation/" + name,
		}, a.Get("datasource"))
	}
	return out
}
