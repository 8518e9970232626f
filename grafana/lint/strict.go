package lint

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

// strict reads the file with the types of Grafana's foundation SDK, which know every key of panels
// that come with Grafana and what kind of value it has.
func (r report) strict(d *Dashboard, data []byte) {
	plugins.RegisterDefaultPlugins()
	//lint:ignore SA1019 files are in the classic schema, whatever is preferred elsewhere
	r.sdk(d, "", new(dashboard.Dashboard).UnmarshalJSONStrict(data))

	// How fields look, the SDK reads less strictly where it stands in a panel.
	for i, p := range d.Get("panels").Array() {
		if v := p.Get("fieldConfig.defaults"); v.Exists() {
			err := new(dashboard.FieldConfig).UnmarshalJSONStrict([]byte(v.Raw))
			r.sdk(d, fmt.Sprintf("panels[%d].fieldConfig.defaults.", i), err)
		}
	}
}

// sdk reports what the SDK found.
func (r report) sdk(d *Dashboard, path string, err error) {
	found, isList := errors.AsType[cog.BuildErrors](err)
	r.at(d.locate(path)).addIf("strict", err != nil && !isList, "%v", err)
	for _, e := range found {
		if !tolerated(e) {
			r.at(d.locate(path+e.Path)).add("strict", "%s%s: %s: correct the spelling or the kind of value",
				path, e.Path, e.Message)
		}
	}
}

// ownRule matches paths of what has a rule of its own, with a better message.
var ownRule = regexp.MustCompile(`(^|\.)(datasource|id|refresh)$`)

// unknown matches keys that Grafana 12.4 saves and the SDK does not know.
var unknown = regexp.MustCompile(
	`unexpected field '(showValues|footer|regexApplyTo|valuesFormat|__.*)'`)

// tolerated reports whether the SDK finds a fault in something that Grafana takes.
func tolerated(e *cog.BuildError) bool {
	return strings.HasPrefix(e.Message, "required field is") ||
		ownRule.MatchString(e.Path) || unknown.MatchString(e.Message)
}

var panelPath = regexp.MustCompile(`^panels\[?\.?(\d+)\]?(?:\.panels\[?\.?(\d+)\]?)?`)

// locate turns the SDK's path into the panel's name, "" if it is in none.
func (d *Dashboard) locate(path string) string {
	m := panelPath.FindStringSubmatch(path)
	switch {
	case m == nil:
		return ""
	case m[2] == "":
		return panel{d.Get("panels." + m[1])}.String()
	}
	return panel{d.Get("panels." + m[1] + ".panels." + m[2])}.String()
}
