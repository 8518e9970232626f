package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// truth says of the four colours where their hue must lie, in degrees.
var truth = map[string][2]float64{"red": {340, 15}, "yellow": {40, 65}, "green": {80, 165}, "blue": {195, 250}}

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

// matches reports whether a fixed colour, a name of Grafana's palette or #rrggbb, looks like the
// colour called name.
func matches(name, fixed string) bool {
	if hex, ok := strings.CutPrefix(fixed, "#"); ok {
		hue, ok := hue(hex)
		if bounds := truth[name]; bounds[0] > bounds[1] {
			return ok && (hue >= bounds[0] || hue <= bounds[1])
		} else {
			return ok && hue >= bounds[0] && hue <= bounds[1]
		}
	}
	return fixed == name || strings.HasSuffix(fixed, "-"+name)
}

// hue returns a colour's hue in degrees, or false for grey and for no colour.
func hue(hex string) (float64, bool) {
	n, err := strconv.ParseUint(fmt.Sprintf("%.6s", hex), 16, 32)
	if err != nil || len(hex) < 6 {
		return 0, false
	}
	red, green, blue := float64(n>>16), float64(n>>8&0xff), float64(n&0xff)
	most, least := max(red, green, blue), min(red, green, blue)
	if most-least < 32 {
		return 0, false
	}
	var h float64
	switch most {
	case red:
		h = (green - blue) / (most - least)
	case green:
		h = (blue-red)/(most-least) + 2
	default:
		h = (red-green)/(most-least) + 4
	}
	if h *= 60; h < 0 {
		h += 360
	}
	return h, true
}
