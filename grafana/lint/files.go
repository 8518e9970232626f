package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Set is what Grafana is given: dashboards as classic JSON, alert rules and dashboard providers as
// YAML. A file that cannot be read is kept with its error, so that it does not hide what is wrong
// with others.
type Set struct {
	Dashboards []File
	Providers  []Providers
	Alerting   []Alerts
}

// File is one dashboard's file.
type File struct {
	Name      string // as in the folder dashboards
	Data      []byte
	Dashboard *Dashboard // nil if Err is not
	Err       error
}

// Providers is one file of the folder provisioning/dashboards.
type Providers struct {
	Name      string
	Providers []Provider
	Err       error `yaml:"-"`
}

// Provider tells Grafana of a folder with dashboards.
type Provider struct {
	Name            string
	DisableDeletion bool `yaml:"disableDeletion"`
	Interval        int  `yaml:"updateIntervalSeconds"` // seconds
}

// Alerts is one file of the folder provisioning/alerting.
type Alerts struct {
	Name   string
	Groups []Group
	Err    error `yaml:"-"`
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
	File         string `yaml:"-"`
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

// Load reads root's folders dashboards, provisioning/dashboards and provisioning/alerting.
func Load(root fs.FS) (*Set, error) {
	set := new(Set)
	err := each(root, "dashboards", []string{".json"}, func(name string, data []byte) {
		f := File{Name: name, Data: data}
		f.Dashboard, f.Err = Parse(data)
		set.Dashboards = append(set.Dashboards, f)
	})
	if err != nil {
		return nil, err
	}
	yamls := []string{".yaml", ".yml"}
	providers := each(root, "provisioning/dashboards", yamls, func(name string, data []byte) {
		f := Providers{Name: name}
		f.Err = yaml.Unmarshal(data, &f)
		set.Providers = append(set.Providers, f)
	})
	alerts := each(root, "provisioning/alerting", yamls, func(name string, data []byte) {
		f := Alerts{Name: name}
		f.Err = yaml.Unmarshal(data, &f)
		for _, g := range f.Groups {
			for i := range g.Rules {
				g.Rules[i].File = name
			}
		}
		set.Alerting = append(set.Alerting, f)
	})
	for _, err := range []error{providers, alerts} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // one can do without
			return nil, err
		}
	}
	return set, nil
}

// dashboard finds one by its uid, nil if there is none.
func (s *Set) dashboard(uid string) *Dashboard {
	for _, f := range s.Dashboards {
		if f.Dashboard != nil && f.Dashboard.UID == uid {
			return f.Dashboard
		}
	}
	return nil
}

// Rules lists all rules of the files that could be read.
func (s *Set) Rules() []Rule {
	var out []Rule
	for _, f := range s.Alerting {
		for _, g := range f.Groups {
			out = append(out, g.Rules...)
		}
	}
	return out
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
