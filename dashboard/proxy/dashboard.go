package proxy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A dashboard is what the proxy needs to know of one. The zero value permits nothing.
type dashboard struct {
	targets  map[string]bool  // queries of the shown panels, which may be asked
	variable []*regexp.Regexp // queries of variables and annotations, answered with nothing
	panels   []int            // those of the shown ones that it has, in ascending order
	revision string           // changes with an edit; the same for the same one, in any process
}

// unneeded reports whether a query is one that the panels do not need.
func (d *dashboard) unneeded(query string) bool {
	return slices.ContainsFunc(d.variable, func(e *regexp.Regexp) bool { return e.MatchString(query) })
}

type dashboardJSON struct {
	Version     json.Number     `json:"version"` // counts its edits
	Panels      []panelJSON     `json:"panels"`
	Elements    json.RawMessage `json:"elements"` // of the schema that is not the classic one
	Templating  any             `json:"templating"`
	Annotations any             `json:"annotations"`
}

// panelJSON is a panel. A data source is an object, or a name, or null for the panel's.
type panelJSON struct {
	ID         int         `json:"id"`
	DataSource any         `json:"datasource"`
	Panels     []panelJSON `json:"panels"` // of a collapsed row
	Targets    []struct {
		DataSource any `json:"datasource"`
		Query      any `json:"query"` // what is not a text is no query of ours
	} `json:"targets"`
}

var errNotClassic = errors.New(
	"the dashboard is not stored in the classic schema (export it as Classic)")

// parseDashboard reads a dashboard as Grafana serves it. Only targets of the shown panels that use
// the given data source may be asked.
func parseDashboard(data []byte, source string) (*dashboard, error) {
	var served struct {
		Dashboard *dashboardJSON `json:"dashboard"`
	}
	if err := json.Unmarshal(data, &served); err != nil {
		return nil, fmt.Errorf("read the dashboard's JSON: %w", err)
	}
	content := served.Dashboard
	if content == nil || content.Elements != nil {
		return nil, errNotClassic
	}
	d := &dashboard{targets: make(map[string]bool)}
	d.addPanels(content.Panels, source)
	d.addVariables([]any{content.Templating, content.Annotations})
	slices.Sort(d.panels)
	d.panels = slices.Compact(d.panels)
	hash := sha256.New()
	fmt.Fprintln(hash, content.Version, d.panels, d.targets) // which prints maps sorted
	d.revision = hex.EncodeToString(hash.Sum(nil)[:8])
	return d, nil
}

func (d *dashboard) addPanels(all []panelJSON, source string) {
	for _, panel := range all {
		d.addPanels(panel.Panels, source)
		if !slices.Contains(panels, panel.ID) {
			continue
		}
		d.panels = append(d.panels, panel.ID)
		for _, target := range panel.Targets {
			if target.DataSource == nil {
				target.DataSource = panel.DataSource
			}
			used, _ := target.DataSource.(map[string]any)
			text, _ := target.Query.(string)
			if used["uid"] == source && text != "" {
				d.targets[text] = true
			}
		}
	}
}

// references are those to variables in a query. Grafana's scripts put the variables' values in
// their place.
var references = regexp.MustCompile(`\$\{[^}]*\}|\$[A-Za-z_]\w*|\[\[[^\]]*\]\]`)

// addVariables adds all queries in a value of JSON, wherever they are.
func (d *dashboard) addVariables(value any) {
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			d.addVariables(inner)
		}
	case map[string]any:
		for _, inner := range v {
			d.addVariables(inner)
		}
		text, _ := v["query"].(string)
		if strings.TrimSpace(text) == "" {
			return
		}
		parts := references.Split(text, -1)
		for i, part := range parts {
			parts[i] = regexp.QuoteMeta(part)
		}
		d.variable = append(d.variable, regexp.MustCompile(`(?s)\A`+strings.Join(parts, `.*`)+`\z`))
	}
}
