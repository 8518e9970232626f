package lint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/tidwall/gjson"
	"go.yaml.in/yaml/v3"
)

// Set is what Grafana is given: dashboards as classic JSON, alert rules and dashboard providers as
// YAML. A file that cannot be read is kept with its error, so that it does not hide what is wrong
// with others.
type Set struct {
	Dashboards  []File
	Provisioned []Provisioned
}

// File is one dashboard's file.
type File struct {
	Name      string // as in the folder dashboards
	Data      []byte
	Dashboard *Dashboard // nil if Err is not
	Err       error
}

// Provisioned is one file of the folders provisioning/dashboards and provisioning/alerting, as
// JSON.
type Provisioned struct {
	gjson.Result

	Name string
	Err  error
}

// Rule is one alert rule.
type Rule struct {
	gjson.Result

	File string
}

// Load reads root's folders dashboards, provisioning/dashboards and provisioning/alerting, and
// those under them, as Grafana does.
func Load(root fs.FS) (*Set, error) {
	set := new(Set)
	for _, dir := range []string{"dashboards", "provisioning/dashboards", "provisioning/alerting"} {
		err := fs.WalkDir(root, dir, func(name string, entry fs.DirEntry, err error) error {
			short := strings.TrimPrefix(name, dir+"/")
			switch {
			case errors.Is(err, fs.ErrNotExist) && dir != "dashboards":
				return nil // one can do without
			case err != nil:
				return fmt.Errorf("read the folder %s: %w", dir, err)
			case entry.IsDir() && strings.HasPrefix(short, "."):
				return fs.SkipDir
			case entry.IsDir():
				return nil
			}
			data, err := fs.ReadFile(root, name)
			switch ext := path.Ext(name); {
			case dir == "dashboards" && ext == ".json":
				f := File{Name: short, Data: data}
				f.Dashboard, f.Err = Parse(data)
				set.Dashboards = append(set.Dashboards, f)
			case dir != "dashboards" && (ext == ".yaml" || ext == ".yml"):
				f := Provisioned{Name: short}
				f.Result, f.Err = parseYAML(data)
				set.Provisioned = append(set.Provisioned, f)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

func parseYAML(data []byte) (gjson.Result, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return gjson.Result{}, err
	}
	text, err := json.Marshal(tree)
	return gjson.ParseBytes(text), err
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
	for _, f := range s.Provisioned {
		for _, r := range f.Get("groups.#.rules|@flatten").Array() {
			out = append(out, Rule{r, f.Name})
		}
	}
	return out
}
