package lint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// strict reads the file with the types of Grafana's foundation SDK, which know
// every key of panels that come with Grafana and what kind of value it has.
func (r *report) strict(data []byte) {
	defer func() { r.where = "" }()
	var tree map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if dec.Decode(&tree) != nil {
		return // reported already
	}
	loosen(tree)
	loosened, err := json.Marshal(tree)
	if err != nil {
		return
	}
	plugins.RegisterDefaultPlugins()
	//lint:ignore SA1019 files are in the classic schema, whatever is preferred elsewhere
	r.sdk(tree, "", new(dashboard.Dashboard).UnmarshalJSONStrict(loosened))

	// How fields look, the SDK reads less strictly where it stands in a panel.
	var shape struct{ Panels []json.RawMessage }
	_ = json.Unmarshal(loosened, &shape)
	for i, panel := range shape.Panels {
		var p struct {
			Type        string
			FieldConfig struct{ Defaults json.RawMessage }
		}
		if json.Unmarshal(panel, &p) == nil && p.FieldConfig.Defaults != nil {
			r.sdk(tree, fmt.Sprintf("panels[%d].fieldConfig.defaults.", i),
				new(dashboard.FieldConfig).UnmarshalJSONStrict(p.FieldConfig.Defaults))
		}
	}
}

// sdk reports what the SDK found.
func (r *report) sdk(tree map[string]any, path string, err error) {
	found, _ := errors.AsType[cog.BuildErrors](err)
	if len(found) == 0 && err != nil && err.Error() != "" {
		r.where = locatePanel(tree, path)
		r.add("strict", "%v", err)
	}
	for _, e := range found {
		if tolerated(e) {
			continue
		}
		r.where = locatePanel(tree, path+e.Path)
		r.add("strict", "%s%s: %s: correct the spelling or the kind of value", path, e.Path, e.Message)
	}
}

// ownRule matches paths of what has a rule of its own, with a better message.
var ownRule = regexp.MustCompile(`(^|\.)(datasource|id|refresh)$`)

// unknown matches keys that Grafana 12.4 saves and the SDK does not know.
var unknown = regexp.MustCompile(`unexpected field '(showValues|footer|regexApplyTo|valuesFormat|__.*)'`)

// tolerated reports whether the SDK finds a fault in something that Grafana takes.
func tolerated(e *cog.BuildError) bool {
	return strings.HasPrefix(e.Message, "required field is missing") ||
		ownRule.MatchString(e.Path) || unknown.MatchString(e.Message)
}

// loosen fills in what the SDK demands and Grafana itself neither needs nor
// writes: its type for a dashboard's links serves for values' links too, and it
// wants a list of tags of each.
func loosen(tree map[string]any) {
	walk(tree, func(key string, value any) {
		links, ok := value.([]any)
		if !ok || key != "links" {
			return
		}
		for _, l := range links {
			if link, ok := l.(map[string]any); ok {
				for name, def := range map[string]any{
					"type": "link", "icon": "", "tooltip": "", "tags": []any{},
					"asDropdown": false, "targetBlank": false, "includeVars": false, "keepTime": false,
				} {
					if link[name] == nil {
						link[name] = def
					}
				}
			}
		}
	})
}

// walk visits every key of every object.
func walk(value any, visit func(key string, value any)) {
	switch value := value.(type) {
	case map[string]any:
		for key, inner := range value {
			visit(key, inner)
			walk(inner, visit)
		}
	case []any:
		for _, inner := range value {
			walk(inner, visit)
		}
	}
}

var panelPath = regexp.MustCompile(`^panels\[?\.?(\d+)\]?(?:\.panels\[?\.?(\d+)\]?)?`)

// locatePanel turns the SDK's path into the panel's name.
func locatePanel(tree map[string]any, path string) string {
	m := panelPath.FindStringSubmatch(path)
	if m == nil {
		return ""
	}
	var d Dashboard
	raw, _ := json.Marshal(tree)
	if json.Unmarshal(raw, &d) != nil {
		return ""
	}
	i, _ := strconv.Atoi(m[1])
	if i >= len(d.Panels) {
		return ""
	}
	p := &d.Panels[i]
	if inner, err := strconv.Atoi(m[2]); err == nil && inner < len(p.Panels) {
		p = &p.Panels[inner]
	}
	return place(p)
}

// valueLinks are the links of a panel's values.
func valueLinks(p *Panel) []Link {
	out := p.FieldConfig.Defaults.Links
	for _, o := range p.FieldConfig.Overrides {
		for _, property := range o.Properties {
			var links []Link
			if strings.EqualFold(property.ID, "links") && json.Unmarshal(property.Value, &links) == nil {
				out = append(out, links...)
			}
		}
	}
	return out
}
