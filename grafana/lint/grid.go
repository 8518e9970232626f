package lint

import (
	"regexp"
	"strings"
)

const columns = 24

// grid checks where panels stand.
func (r *report) grid(panels []Panel) {
	defer func() { r.where = "" }()
	for i := range panels {
		p := &panels[i]
		r.where = place(p)
		g := p.GridPos
		if g == nil || g.W < 1 || g.H < 1 {
			r.add("grid", "it has no place: give it a gridPos with x, y, w and h")
			continue
		}
		if g.X < 0 || g.Y < 0 || g.X+g.W > columns {
			r.add("grid", "it leaves the grid: x + w must be at most %d, it is %d", columns, g.X+g.W)
		}
		for j := range i {
			if o := panels[j].GridPos; o != nil &&
				g.X < o.X+o.W && o.X < g.X+g.W && g.Y < o.Y+o.H && o.Y < g.Y+g.H {
				r.add("grid", "it lies on %s: move one of them", place(&panels[j]))
			}
		}
		r.grid(p.Panels)
	}
}

var dashboardPath = regexp.MustCompile(`^/d/([a-zA-Z0-9_-]+)`)

// links checks that links between dashboards lead somewhere and keep the time.
func (r *report) links(d *Dashboard, set *Set) {
	defer func() { r.where = "" }()
	r.where = ""
	for _, l := range d.Links {
		r.link(l, set)
	}
	for p := range d.All() {
		r.where = place(p)
		for _, l := range valueLinks(p) {
			if r.link(l, set) && !strings.Contains(l.URL, "__url_time_range") {
				r.add("link", "the link %q loses the time range: add ${__url_time_range} to its address",
					l.Title)
			}
		}
	}
}

// link checks one link, and reports whether it leads to a dashboard.
func (r *report) link(l Link, set *Set) bool {
	m := dashboardPath.FindStringSubmatch(l.URL)
	if m == nil {
		return false
	}
	for _, f := range set.Dashboards {
		if f.Dashboard != nil && f.Dashboard.UID == m[1] {
			return true
		}
	}
	r.add("link", "the link %q leads to the dashboard %q, which is in no file: correct it",
		l.Title, m[1])
	return true
}
