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
	targets  map[string]keys  // by the text of the query: those of the shown panels, which may be asked
	variable []*regexp.Regexp // texts of the variables' and annotations' queries, which are answered with nothing
	panels   []int            // those of the shown ones that it has, in ascending order
	revision string           // changes with an edit; two reads of the same give the same one, in any process
}

// unneeded reports whether a query is one that the panels do not need.
func (d *dashboard) unneeded(query string) bool {
	return slices.ContainsFunc(d.variable, func(e *regexp.Regexp) bool { return e.MatchString(query) })
}

type dashboardJSON struct {
	Panels     []panelJSON     `json:"panels"`
	Elements   json.RawMessage `json:"elements"` // of the schema that is not the classic one
	Templating struct {
		List []struct {
			Query json.RawMessage `json:"query"` // a text, or an object with a text of that name
		} `json:"list"`
	} `json:"templating"`
	Annotations struct {
		List []struct {
			Query  string     `json:"query"`
			Target targetJSON `json:"target"`
		} `json:"list"`
	} `json:"annotations"`
}

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

// parseDashboard reads a dashboard as Grafana serves it: {"dashboard": …} from the classic address,
// {"spec": …} from the newer one. Only targets of the shown panels that use the given data source
// may be asked.
func parseDashboard(data []byte, source string) (*dashboard, error) {
	var served struct {
		Dashboard *struct {
			Version json.Number `json:"version"`
			dashboardJSON
		} `json:"dashboard"`
		Metadata struct {
			Generation json.Number `json:"generation"`
		} `json:"metadata"`
		Spec *dashboardJSON `json:"spec"`
	}
	if err := json.Unmarshal(data, &served); err != nil {
		return nil, fmt.Errorf("read the dashboard's JSON: %w", err)
	}
	d := &dashboard{targets: make(map[string]keys)}
	version, content := served.Metadata.Generation, served.Spec
	if served.Dashboard != nil {
		version, content = served.Dashboard.Version, &served.Dashboard.dashboardJSON
	}
	if content == nil || content.Elements != nil {
		return nil, errors.New("the dashboard is not stored in the classic schema (export it as Classic)")
	}
	d.addPanels(content.Panels, source)
	for _, v := range content.Templating.List {
		var inObject targetJSON
		_ = json.Unmarshal(v.Query, &inObject)
		d.addVariable(targetJSON{"query": v.Query}.query())
		d.addVariable(inObject.query())
	}
	for _, a := range content.Annotations.List {
		d.addVariable(a.Query)
		d.addVariable(a.Target.query())
	}
	slices.Sort(d.panels)
	d.panels = slices.Compact(d.panels)
	hash := sha256.New()
	fmt.Fprintln(hash, version, d.panels, d.targets) // maps are printed in the order of their keys
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
			if json.Unmarshal(reference, &used) != nil ||
				used != (dataSource{dataSourceType, source}) || text == "" {
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
