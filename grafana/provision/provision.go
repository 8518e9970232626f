// Package provision reads the folders that Grafana is given: dashboards as
// classic JSON, alert rules as YAML. It lists every query in them.
//
// Files that cannot be read are kept with their error, so that one bad file
// does not hide what is wrong with the others.
package provision

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"colorstream/grafana/classic"
)

// Set is everything that was found.
type Set struct {
	Dashboards []File
	Alerting   []Alerts
}

// File is one dashboard's file.
type File struct {
	Name      string // as in the folder dashboards
	Data      []byte
	Dashboard *classic.Dashboard // nil if Err is not
	Err       error
}

// Alerts is one file of the folder provisioning/alerting.
type Alerts struct {
	Name   string
	Data   []byte
	Groups []Group
	Err    error
}

// Group holds rules that are evaluated together.
type Group struct {
	Name     string
	Folder   string
	Interval string
	Rules    []Rule
}

// Rule is one alert rule.
type Rule struct {
	UID          string
	Title        string
	Condition    string
	NoDataState  string            `yaml:"noDataState"`
	ExecErrState string            `yaml:"execErrState"`
	DashboardUID string            `yaml:"dashboardUid"`
	PanelID      int               `yaml:"panelId"`
	Labels       map[string]string `yaml:"labels"`
	Annotations  map[string]string `yaml:"annotations"`
	Data         []Step
}

// Step is a query or an expression of a rule.
type Step struct {
	RefID         string                    `yaml:"refId"`
	DatasourceUID string                    `yaml:"datasourceUid"`
	Range         *struct{ From, To int64 } `yaml:"relativeTimeRange"` // seconds before now
	Model         struct {
		RefID      string `yaml:"refId"`
		Query      string
		Type       string
		Expression string
		Conditions []struct {
			Evaluator struct {
				Type   string
				Params []float64
			}
		}
	}
}

// Load reads root's folders dashboards and provisioning/alerting.
func Load(root fs.FS) (*Set, error) {
	set := new(Set)
	err := each(root, "dashboards", []string{".json"}, func(name string, data []byte) {
		f := File{Name: name, Data: data}
		f.Dashboard, f.Err = classic.Parse(data)
		set.Dashboards = append(set.Dashboards, f)
	})
	if err != nil {
		return nil, err
	}
	err = each(root, "provisioning/alerting", []string{".yaml", ".yml"}, func(name string, data []byte) {
		var content struct{ Groups []Group }
		err := yaml.Unmarshal(data, &content)
		set.Alerting = append(set.Alerting, Alerts{name, data, content.Groups, err})
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // one can do without alerts
	}
	return set, err
}

// each visits the files of a folder and those under it, as Grafana does.
func each(root fs.FS, dir string, suffixes []string, visit func(string, []byte)) error {
	return fs.WalkDir(root, dir, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("read the folder %s: %w", dir, err)
		}
		if entry.IsDir() && strings.HasPrefix(entry.Name(), ".") && name != dir {
			return fs.SkipDir
		}
		if entry.IsDir() || !slices.Contains(suffixes, path.Ext(name)) {
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		visit(strings.TrimPrefix(name, dir+"/"), data)
		return nil
	})
}

// Query is one Flux query, wherever it stands.
type Query struct {
	File  string
	Where string // for a person: panel 3 "Min"
	Key   string // for a program: colors/3/A, color/variable/color, alert/colorstream-silent-color/lag
	Flux  string
	Kind  string // the panel's type, or variable, annotation, alert

	// Source is the data source that it reads.
	Source string
	// Range is how many seconds an alert looks back.
	Range int64
}

// Where names a panel in messages.
func Where(p *classic.Panel) string {
	id := string(p.ID)
	if id == "" {
		id = "without id"
	}
	return fmt.Sprintf("panel %s %q", id, p.Title)
}

// Queries lists all queries of the files that could be read.
func (s *Set) Queries() []Query {
	var out []Query
	for _, f := range s.Dashboards {
		if f.Dashboard == nil {
			continue
		}
		d := f.Dashboard
		for p := range d.All() {
			for _, t := range p.Targets {
				if !slices.Contains(Flux, t.Source()) {
					continue
				}
				n, _ := p.Number()
				key := d.UID + "/" + strconv.Itoa(n) + "/" + t.Text("refId")
				out = append(out, Query{File: f.Name, Where: Where(p), Key: key, Flux: t.Text("query"), Kind: p.Type, Source: t.Source()})
			}
		}
		for _, v := range d.Templating.List {
			if v.Type == "query" {
				out = append(out, Query{File: f.Name, Where: fmt.Sprintf("variable %q", v.Name), Key: d.UID + "/variable/" + v.Name, Flux: v.Flux(), Kind: "variable", Source: source(v.Datasource)})
			}
		}
		for _, a := range d.Annotations.List {
			if a.BuiltIn == 0 {
				out = append(out, Query{File: f.Name, Where: fmt.Sprintf("annotation %q", a.Name), Key: d.UID + "/annotation/" + a.Name, Flux: a.Target.Text("query"), Kind: "annotation", Source: source(a.Datasource)})
			}
		}
	}
	for _, f := range s.Alerting {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				for _, step := range r.Data {
					if step.DatasourceUID != Expression && step.Range != nil {
						out = append(out, Query{
							File: f.Name, Where: fmt.Sprintf("rule %q", r.Title), Key: "alert/" + r.UID + "/" + step.RefID,
							Flux: step.Model.Query, Kind: "alert", Range: step.Range.From, Source: step.DatasourceUID,
						})
					}
				}
			}
		}
	}
	return out
}

// What data sources are called.
const (
	DataSource = "colorstream-influxdb" // ours
	Pipeline   = "colorstream-pipeline" // likewise, of the programs' own metrics
	Live       = "colorstream-live"     // ours too, of the folder plugin; has no Flux
	Expression = "__expr__"             // Grafana's own, of expressions
)

// Flux are those that are asked in Flux.
var Flux = []string{DataSource, Pipeline}

// source is the uid in a reference to a data source, "" if it is none.
func source(raw json.RawMessage) string {
	var ref struct{ UID string }
	_ = json.Unmarshal(raw, &ref)
	return ref.UID
}
