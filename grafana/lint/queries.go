package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
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
		for _, step := range r.Data {
			if step.DatasourceUID == Expression || step.Range == nil {
				continue
			}
			out = append(out, Query{
				File: r.File, Where: fmt.Sprintf("rule %q", r.Title), Kind: "alert",
				Key: "alert/" + r.UID + "/" + step.RefID, Flux: step.Model.Query,
				Range: step.Range.From, Source: step.DatasourceUID,
			})
		}
	}
	return out
}

func (d *Dashboard) queries(file string) []Query {
	var out []Query
	for p := range d.All() {
		for _, t := range p.Targets {
			if !slices.Contains(fluxSources, t.Source()) {
				continue
			}
			n, _ := p.Number()
			out = append(out, Query{
				File: file, Where: p.place(), Kind: p.Type, Flux: t.Text("query"), Source: t.Source(),
				Key: d.UID + "/" + strconv.Itoa(n) + "/" + t.Text("refId"), MaxPoints: p.MaxDataPoints,
			})
		}
	}
	for _, v := range d.Templating.List {
		if v.Type == "query" {
			out = append(out, Query{
				File: file, Where: fmt.Sprintf("variable %q", v.Name), Kind: "variable", Flux: v.Flux(),
				Key: d.UID + "/variable/" + v.Name, Source: source(v.Datasource),
			})
		}
	}
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			out = append(out, Query{
				File: file, Where: fmt.Sprintf("annotation %q", a.Name), Kind: "annotation",
				Flux: a.Target.Text("query"), Key: d.UID + "/annotation/" + a.Name, Source: source(a.Datasource),
			})
		}
	}
	return out
}

// source returns the uid in a reference to a data source, "" if it is none.
func source(raw json.RawMessage) string {
	var ref struct{ UID string }
	_ = json.Unmarshal(raw, &ref)
	return ref.UID
}
