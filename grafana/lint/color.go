package lint

import (
	"encoding/json"
	"slices"
	"strings"
)

// modes are the colour modes of Grafana. One that it does not know breaks the panel.
var modes = []string{
	"", "fixed", "thresholds", "shades", "palette-classic", "palette-classic-by-name", "continuous-GrYlRd", "continuous-RdYlGr", "continuous-BlYlRd",
	"continuous-YlRd", "continuous-BlPu", "continuous-YlBl", "continuous-blues", "continuous-reds", "continuous-greens",
	"continuous-purples",
}

// colors checks that a series called red is red.
func (r *report) colors(p *Panel) {
	if c := p.FieldConfig.Defaults.Color; c != nil && !slices.Contains(modes, c.Mode) {
		r.add("color-mode", "Grafana does not know the colour mode %q and shows nothing: use palette-classic, fixed or thresholds", c.Mode)
	}
	if p.Type != "timeseries" && p.Type != "barchart" || !slices.ContainsFunc(p.Targets, perColor) {
		return
	}
	for _, name := range []string{"red", "blue", "green", "yellow"} {
		fixed, ok := override(p, name)
		switch {
		case !ok:
			r.add("color", "the series %q gets any colour: add an override by name with the fixed colour %q",
				name, name)
		case !matches(name, fixed):
			r.add("color", "the series %q is drawn in %q, which is not %s: use the fixed colour %q",
				name, fixed, name, name)
		}
	}
}

// perColor reports whether a query makes a series of each colour, called by its name.
func perColor(t Target) bool {
	text := strings.ReplaceAll(t.Text("query"), " ", "")
	_, kept, ok := strings.Cut(text, "keep(columns:[")
	kept, _, _ = strings.Cut(kept, "]")
	return ok && strings.Contains(kept, `"color"`) && !strings.Contains(kept, `"_field"`)
}

// override returns the fixed colour of the series of a name.
func override(p *Panel, name string) (string, bool) {
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byName" || o.Matcher.Options != name {
			continue
		}
		for _, property := range o.Properties {
			var c Color
			if property.ID == "color" && json.Unmarshal(property.Value, &c) == nil && c.Mode == "fixed" {
				return c.FixedColor, true
			}
		}
	}
	return "", false
}

// matches reports whether a fixed colour of Grafana's palette, as semi-dark-red, is called as the
// series is. A person who writes #rrggbb has looked at it.
func matches(name, fixed string) bool {
	return fixed == name || strings.HasSuffix(fixed, "-"+name) || strings.HasPrefix(fixed, "#")
}
