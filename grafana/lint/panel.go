package lint

import (
	"slices"
	"strings"
)

// types are the panels that come with Grafana.
var types = []string{
	"alertlist", "annolist", "barchart", "bargauge", "candlestick", "canvas", "dashlist", "gauge", "geomap", "heatmap",
	"histogram", "logs", "news", "nodeGraph", "piechart", "row", "stat", "state-timeline", "status-history", "table", "text",
	"timeseries", "traces", "xychart",
}

// gone are panels that newer versions have no more, with what to take instead.
var gone = map[string]string{
	"graph": "timeseries", "singlestat": "stat", "table-old": "table", "grafana-singlestat-panel": "stat",
	"heatmap-new": "heatmap", "worldmap": "geomap", "grafana-worldmap-panel": "geomap", "grafana-piechart-panel": "piechart",
}

func (r *report) panels(d *Dashboard) {
	defer func() { r.where = "" }()
	declared := names(d)
	seen := map[int]string{}
	titles := map[string]bool{}
	count := 0
	for p := range d.All() {
		count++
		r.where = place(p)
		r.panelID(p, seen)
		r.panelType(p)
		if p.Type != "row" && p.Type != "text" {
			r.panelTitle(p, titles)
		}
		if p.Repeat != "" && !slices.Contains(declared, p.Repeat) {
			r.add("repeat", "it repeats for the variable %q, which the dashboard does not have: add the variable or empty \"repeat\"", p.Repeat)
		}
		r.colors(p)
		r.targets(p, declared)
	}
	if count == 0 {
		r.where = ""
		r.add("empty", "the dashboard has no panels: add one, or delete the file")
	}
}

func (r *report) panelID(p *Panel, seen map[int]string) {
	id, ok := p.Number()
	other, taken := seen[id]
	switch {
	case len(p.ID) == 0 || string(p.ID) == "null":
		r.add("panel-id", "it has no id: give it a number that no other panel here has")
	case !ok:
		r.add("panel-id", "its id is %s: use a whole number above 0, without quotes", p.ID)
	case taken:
		r.add("panel-id", "its id %d is that of the panel %q too: give one of them another number",
			id, other)
	default:
		seen[id] = p.Title
	}
}

func (r *report) panelType(p *Panel) {
	switch {
	case gone[p.Type] != "":
		r.add("panel-type", "newer versions have no %q panels: use %q", p.Type, gone[p.Type])
	case !slices.Contains(types, p.Type):
		r.add("panel-type", "%q is no type of panel that comes with Grafana: use one of %s",
			p.Type, strings.Join(types, ", "))
	}
}

func (r *report) panelTitle(p *Panel, titles map[string]bool) {
	title := strings.TrimSpace(p.Title)
	switch {
	case title == "":
		r.add("panel-title", "it has no title: say in a few words what it shows")
	case titles[title]:
		r.add("panel-title", "another panel has this title too: change one, or people cannot tell them apart")
	}
	titles[title] = true
}

// statistics are the panels that the page shows, by id, and the fields that each reads.
var statistics = []struct {
	name   string
	fields []string
}{
	{"mean", []string{"sum", "count"}}, {"median", []string{"median"}}, {"min", []string{"min"}}, {"max", []string{"max"}},
}

// embedded checks what the page relies on: it shows panels 1 to 4 of the home dashboard and passes
// on their queries as they stand in the file.
func (r *report) embedded(d *Dashboard) {
	if d.UID != "colors" {
		return
	}
	defer func() { r.where = "" }()
	for i, statistic := range statistics {
		id := i + 1
		at := slices.IndexFunc(d.Panels, func(p Panel) bool { n, _ := p.Number(); return n == id })
		if at < 0 {
			r.where = ""
			r.add("embedded", "panel %d is missing: the page shows panels 1 to 4 as mean, median, min and max", id)
			continue
		}
		p := &d.Panels[at]
		r.where = place(p)
		if p.Type != "timeseries" {
			r.add("embedded", "it must be of type timeseries: the page shows it as the %s", statistic.name)
		}
		for _, t := range p.Targets {
			flux := t.Text("query")
			for _, field := range statistic.fields {
				if !strings.Contains(flux, `r._field == "`+field+`"`) {
					r.add("embedded", "its query does not read the field %q: the page shows it as the %s",
						field, statistic.name)
				}
			}
			if strings.Contains(flux, "$") || strings.Contains(flux, "[[") {
				r.add("embedded", "its query uses a variable: the page passes on only queries without")
			}
		}
		if len(p.Targets) == 0 || p.Repeat != "" {
			r.add("embedded", "it must have a query and must not repeat: the page shows it as the %s",
				statistic.name)
		}
	}
}
