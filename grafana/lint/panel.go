package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// types are the panels that come with Grafana.
var types = []string{
	"alertlist", "annolist", "barchart", "bargauge", "candlestick", "canvas", "dashlist", "gauge", "geomap", "heatmap",
	"histogram", "logs", "news", "nodeGraph", "piechart", "row", "stat", "state-timeline", "status-history", "table", "text",
	"timeseries", "traces", "xychart",
}

// modes are the colour modes of Grafana. One that it does not know breaks the panel.
var modes = []string{
	"", "fixed", "thresholds", "shades", "palette-classic", "palette-classic-by-name", "continuous-GrYlRd", "continuous-RdYlGr", "continuous-BlYlRd",
	"continuous-YlRd", "continuous-BlPu", "continuous-YlBl", "continuous-blues", "continuous-reds", "continuous-greens",
	"continuous-purples",
}

// columns is how wide the grid is.
const columns = 24

func (r report) panels(d *Dashboard) {
	r.grid(d.Panels)
	declared := names(d)
	seen := map[int]string{}
	for p := range d.All() {
		r := r.at(p.place())
		id, ok := p.Number()
		other, taken := seen[id]
		switch {
		case !ok:
			r.add("panel-id", "its id is %q: use a whole number above 0, without quotes, "+
				"that no other panel here has", string(p.ID))
		case taken:
			r.add("panel-id", "its id %d is that of the panel %q too: give one of them another number",
				id, other)
		}
		seen[id] = p.Title
		r.addIf("panel-type", !slices.Contains(types, p.Type),
			"%q is no type of panel that comes with Grafana: use one of %s",
			p.Type, strings.Join(types, ", "))
		r.addIf("repeat", p.Repeat != "" && !slices.Contains(declared, p.Repeat),
			"it repeats for the variable %q, which the dashboard does not have: "+
				"add the variable or empty \"repeat\"", p.Repeat)
		r.colors(p)
		r.targets(p, declared)
	}
}

// grid checks where panels stand.
func (r report) grid(panels []Panel) {
	for i := range panels {
		p := &panels[i]
		r := r.at(p.place())
		g := p.GridPos
		if g == nil || g.W < 1 || g.H < 1 {
			r.add("grid", "it has no place: give it a gridPos with x, y, w and h")
			continue
		}
		r.addIf("grid", g.X < 0 || g.Y < 0 || g.X+g.W > columns,
			"it leaves the grid: x + w must be at most %d, it is %d", columns, g.X+g.W)
		for _, other := range panels[:i] {
			o := other.GridPos
			r.addIf("grid", o != nil && g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H,
				"it lies on %s: move one of them", other.place())
		}
		r.grid(p.Panels)
	}
}

// colors checks that a series called red is red.
func (r report) colors(p *Panel) {
	if c := p.FieldConfig.Defaults.Color; c != nil && !slices.Contains(modes, c.Mode) {
		r.add("color-mode", "Grafana does not know the colour mode %q and shows nothing: "+
			"use palette-classic, fixed or thresholds", c.Mode)
	}
	if p.Type != "timeseries" && p.Type != "barchart" || !slices.ContainsFunc(p.Targets, perColor) {
		return
	}
	for _, name := range []string{"red", "blue", "green", "yellow"} {
		fixed := override(p, name)
		// A person who writes #rrggbb has looked at it; else it is one of Grafana's palette, as
		// semi-dark-red.
		named := fixed == name || strings.HasSuffix(fixed, "-"+name) || strings.HasPrefix(fixed, "#")
		r.addIf("color", !named, "the series %q is drawn in %q: "+
			"add an override by name with the fixed colour %q", name, fixed, name)
	}
}

// perColor reports whether a query makes a series of each colour, called by its name.
func perColor(t Target) bool {
	text := strings.ReplaceAll(t.Text("query"), " ", "")
	_, kept, _ := strings.Cut(text, "keep(columns:[")
	kept, _, _ = strings.Cut(kept, "]")
	return strings.Contains(kept, `"color"`) && !strings.Contains(kept, `"_field"`)
}

// override returns the fixed colour of the series of a name, "any" if there is none.
func override(p *Panel, name string) string {
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID != "byName" || o.Matcher.Options != name {
			continue
		}
		for _, property := range o.Properties {
			var c Color
			if property.ID == "color" && json.Unmarshal(property.Value, &c) == nil && c.Mode == "fixed" {
				return c.FixedColor
			}
		}
	}
	return "any"
}

// statistics are the panels that the page shows, by id, and the fields that each reads.
var statistics = []struct {
	name   string
	fields []string
}{
	{"mean", []string{"sum", "count"}},
	{"median", []string{"median"}},
	{"min", []string{"min"}},
	{"max", []string{"max"}},
}

// embedded checks what the page relies on: it shows panels 1 to 4 of the home dashboard and passes
// on their queries as they stand in the file.
func (r report) embedded(d *Dashboard) {
	if d.UID != "colors" {
		return
	}
	for i, statistic := range statistics {
		shown := fmt.Sprintf("the page shows panel %d as the %s", i+1, statistic.name)
		at := slices.IndexFunc(d.Panels, func(p Panel) bool { n, _ := p.Number(); return n == i+1 })
		if at < 0 {
			r.add("embedded", "panel %d is missing: %s", i+1, shown)
			continue
		}
		p := &d.Panels[at]
		r := r.at(p.place())
		r.addIf("embedded", p.Type != "timeseries" || len(p.Targets) == 0 || p.Repeat != "",
			"it must be of type timeseries, have a query and not repeat: %s", shown)
		for _, t := range p.Targets {
			flux := t.Text("query")
			for _, field := range statistic.fields {
				r.addIf("embedded", !strings.Contains(flux, `r._field == "`+field+`"`),
					"its query does not read the field %q: %s", field, shown)
			}
			r.addIf("embedded", strings.Contains(flux, "$") || strings.Contains(flux, "[["),
				"its query uses a variable: the page passes on only queries without")
		}
	}
}
