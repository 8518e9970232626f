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

// keys are those of a target's JSON object.
type keys map[string]bool

// A dashboard is what the proxy needs to know of one. The zero value permits nothing.
type dashboard struct {
	targets  map[string]keys  // of the shown panels, which may be asked, by the query's text
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

var errNotClassic = errors.New(
	"the dashboard is not stored in the classic schema (export it as Classic)")

type panelJSON struct {
	ID         int             `json:"id"`
	DataSource json.RawMessage `json:"datasource"`
	Targets    []targetJSON    `json:"targets"`
	Panels     []panelJSON     `json:"panels"` // of a collapsed row
}

type targetJSON map[string]json.RawMessage

func (t targetJSON) query() (text string) {
	_ = json.Unmarshal(t["query"], &text) // what is not a text is no query of ours
	return text
}

// texts are all queries in a value of JSON, wherever they are.
func texts(value any) (list []string) {
	switch v := value.(type) {
	case []any:
		for _, inner := range v {
			list = append(list, texts(inner)...)
		}
	case map[string]any:
		for name, inner := range v {
			if text, ok := inner.(string); ok && name == "query" {
				list = append(list, text)
			}
			list = append(list, texts(inner)...)
		}
	}
	return list
}

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
	d := &dashboard{targets: make(map[string]keys)}
	d.addPanels(content.Panels, source)
	for _, query := range texts([]any{content.Templating, content.Annotations}) {
		d.addVariable(query)
	}
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
			reference := panel.DataSource
			if own := target["datasource"]; len(own) > 0 && string(own) != "null" {
				reference = own
			}
			var used dataSource
			text := target.query()
			if json.Unmarshal(reference, &used) != nil || !used.is(source) || text == "" {
				continue
			}
			if d.targets[text] == nil {
				d.targets[text] = make(keys)
			}
			for key := range target {
				d.targets[text][key] = true
			}
		}
	}
}

// references are those to variables in a query. Grafana's scripts put the variables' values in
// their place.
var references = regexp.MustCompile(`\$\{[^}]*\}|\$[A-Za-z_]\w*|\[\[[^\]]*\]\]`)

func (d *dashboard) addVariable(query string) {
	if strings.TrimSpace(query) == "" {
		return
	}
	var parts []string
	for _, part := range references.Split(query, -1) {
		parts = append(parts, regexp.QuoteMeta(part))
	}
	d.variable = append(d.variable, regexp.MustCompile(`(?s)\A`+strings.Join(parts, `.*`)+`\z`))
}
