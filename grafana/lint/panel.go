package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// types are the panels that come with Grafana.
var types = []string{
	"alertlist", "annolist", "barchart", "bargauge", "candlestick", "canvas", "dashlist", "gauge",
	"geomap", "heatmap", "histogram", "logs", "news", "nodeGraph", "piechart", "row", "stat",
	"state-timeline", "status-history", "table", "text", "timeseries", "traces", "xychart",
}

// modes are the colour modes of Grafana. One that it does not know breaks the panel.
var modes = []string{
	"", "fixed", "thresholds", "shades", "palette-classic", "palette-classic-by-name",
	"continuous-GrYlRd", "continuous-RdYlGr", "continuous-BlYlRd", "continuous-YlRd",
	"continuous-BlPu", "continuous-YlBl", "continuous-blues", "continuous-reds", "continuous-greens",
	"continuous-purples",
}

// columns is how wide the grid is.
const columns = 24

func (r report) panels(d *Dashboard) {
	r.grid(d.Get("panels").Array())
	declared := names(d)
	seen := map[int]string{}
	for _, p := range d.panels() {
		r := r.at(p.String())
		id := p.number()
		other, taken := seen[id]
		switch {
		case id == 0:
			r.add("panel-id", "its id is %q: use a whole number above 0, without quotes, "+
				"that no other panel here has", p.Get("id").Raw)
		case taken:
			r.add("panel-id", "its id %d is that of the panel %q too: give one of them another number",
				id, other)
		}
		seen[id] = p.Get("title").Str
		kind, repeat := p.Get("type").Str, p.Get("repeat").Str
		r.addIf("panel-type", !slices.Contains(types, kind),
			"%q is no type of panel that comes with Grafana: use one of %s",
			kind, strings.Join(types, ", "))
		r.addIf("repeat", repeat != "" && !slices.Contains(declared, repeat),
			"it repeats for the variable %q, which the dashboard does not have: "+
				"add the variable or empty \"repeat\"", repeat)
		r.colors(p)
		r.targets(p, declared)
	}
}

// grid checks where panels stand.
func (r report) grid(panels []gjson.Result) {
	type place struct{ x, y, w, h int64 }
	places := make([]place, len(panels))
	for i, p := range panels {
		r := r.at(panel{p}.String())
		at := func(key string) int64 { return p.Get("gridPos." + key).Int() }
		g := place{at("x"), at("y"), at("w"), at("h")}
		if g.w < 1 || g.h < 1 {
			r.add("grid", "it has no place: give it a gridPos with x, y, w and h")
			continue
		}
		r.addIf("grid", g.x < 0 || g.y < 0 || g.x+g.w > columns,
			"it leaves the grid: x + w must be at most %d, it is %d", columns, g.x+g.w)
		for j, o := range places[:i] {
			r.addIf("grid", g.x < o.x+o.w && o.x < g.x+g.w && g.y < o.y+o.h && o.y < g.y+g.h,
				"it lies on %s: move one of them", panel{panels[j]})
		}
		places[i] = g
		r.grid(p.Get("panels").Array())
	}
}

// colors checks that a series called red is red.
func (r report) colors(p panel) {
	mode := p.Get("fieldConfig.defaults.color.mode").Str
	r.addIf("color-mode", !slices.Contains(modes, mode),
		"Grafana does not know the colour mode %q and shows nothing: "+
			"use palette-classic, fixed or thresholds", mode)
	kind := p.Get("type").Str
	if kind != "timeseries" && kind != "barchart" || !slices.ContainsFunc(p.targets(), perColor) {
		return
	}
	for _, name := range []string{"red", "blue", "green", "yellow"} {
		fixed := p.fixedColor(name)
		// A person who writes #rrggbb has looked at it; else it is one of Grafana's palette, as
		// semi-dark-red.
		named := fixed == name || strings.HasSuffix(fixed, "-"+name) || strings.HasPrefix(fixed, "#")
		r.addIf("color", !named, "the series %q is drawn in %q: "+
			"add an override by name with the fixed colour %q", name, fixed, name)
	}
}

// perColor reports whether a query makes a series of each colour, called by its name.
func perColor(target gjson.Result) bool {
	text := strings.ReplaceAll(target.Get("query").Str, " ", "")
	_, kept, _ := strings.Cut(text, "keep(columns:[")
	kept, _, _ = strings.Cut(kept, "]")
	return strings.Contains(kept, `"color"`) && !strings.Contains(kept, `"_field"`)
}

// fixedColor returns the fixed colour of the series of a name, "any" if there is none.
func (p panel) fixedColor(name string) string {
	color := p.Get(`fieldConfig.overrides.#(matcher.options=="` + name + `")#|` +
		`#(matcher.id=="byName")#.properties|@flatten|#(id=="color")#.value|#(mode=="fixed").fixedColor`)
	return cmp.Or(color.Str, "any")
}

// links are those of the panel's values.
func (p panel) links() []gjson.Result {
	const ofOverrides = `fieldConfig.overrides.#.properties|@flatten|#(id=="links")#.value|@flatten`
	return append(p.Get("fieldConfig.defaults.links").Array(), p.Get(ofOverrides).Array()...)
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
		p, ok := d.panel(i + 1)
		if !ok {
			r.add("embedded", "panel %d is missing: %s", i+1, shown)
			continue
		}
		r := r.at(p.String())
		fits := p.Get("type").Str == "timeseries" && len(p.targets()) > 0 && p.Get("repeat").Str == ""
		r.addIf("embedded", !fits, "it must be of type timeseries, have a query and not repeat: %s",
			shown)
		for _, t := range p.targets() {
			flux := t.Get("query").Str
			for _, field := range statistic.fields {
				r.addIf("embedded", !strings.Contains(flux, `r._field == "`+field+`"`),
					"its query does not read the field %q: %s", field, shown)
			}
			r.addIf("embedded", strings.Contains(flux, "$") || strings.Contains(flux, "[["),
				"its query uses a variable: the page passes on only queries without")
		}
	}
}
