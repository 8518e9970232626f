// Package lint checks dashboards, their provider and alert rules without running anything.
//
// Grafana itself says little about a file that it does not like: it logs a line and keeps the old
// copy, or shows a panel that stays empty. Each rule here is a mistake that really happens, and
// each message names the file, the panel and what to do. The rules fit Grafana 12; what 13 dropped,
// they refuse.
//
// Whether the queries run is not its business: the command lint runs them on an InfluxDB.
package lint

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// A Problem is something wrong in one file, and what to do about it.
type Problem struct {
	File  string
	Where string // a panel, a variable, a rule; "" is the file as a whole
	Rule  string // short name, for tests and for searching
	Text  string
}

func (p Problem) String() string {
	if p.Where == "" {
		return fmt.Sprintf("%s: %s", p.File, p.Text)
	}
	return fmt.Sprintf("%s: %s: %s", p.File, p.Where, p.Text)
}

// report collects problems of the place that is being checked.
type report struct {
	file, where string
	problems    *[]Problem
}

// at gives the report for a place in the file.
func (r report) at(where string) report {
	r.where = where
	return r
}

func (r report) add(rule, format string, args ...any) {
	*r.problems = append(*r.problems,
		Problem{File: r.file, Where: r.where, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

func (r report) addIf(rule string, wrong bool, format string, args ...any) {
	if wrong {
		r.add(rule, format, args...)
	}
}

// Check returns every problem, in order of file and place.
func Check(set *Set) []Problem {
	var problems []Problem
	for i, f := range set.Dashboards {
		r := report{file: f.Name, problems: &problems}
		if f.Err != nil {
			r.add("json", "%v", f.Err)
			continue
		}
		d := f.Dashboard
		r.identity(d)
		for _, other := range set.Dashboards[:i] {
			if o := other.Dashboard; o != nil {
				const then = "is that of %s too, and Grafana then updates no dashboard at all: change one"
				r.addIf("duplicate-uid", o.UID == d.UID && d.UID != "",
					"the uid %q "+then, d.UID, other.Name)
				r.addIf("duplicate-title", strings.EqualFold(o.Title, d.Title) && d.Title != "",
					"the title %q "+then, d.Title, other.Name)
			}
		}
		r.strict(d, f.Data)
		r.panels(d)
		r.variables(d)
		r.embedded(d)
		r.links(d, set)
	}
	for _, f := range set.Provisioned {
		r := report{file: f.Name, problems: &problems}
		r.addIf("yaml", f.Err != nil, "this is no YAML, and Grafana does not start with it: %v", f.Err)
		r.providers(f.Get("providers").Array())
	}
	report{problems: &problems}.alerts(set)
	slices.SortStableFunc(problems, func(a, b Problem) int { return cmp.Compare(a.File, b.File) })
	return problems
}

var (
	uidPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)
	// refreshPattern is five seconds or more.
	refreshPattern = regexp.MustCompile(`^(([5-9]|[1-9]\d+)s|[1-9]\d*[mhd])?$`)
)

// schemaVersion is that of Grafana 12.
const schemaVersion = 42

// identity checks a dashboard's own keys.
func (r report) identity(d *Dashboard) {
	for _, key := range []string{"__inputs", "__requires", "__elements"} {
		r.addIf("inputs", d.Get(key).Exists(),
			"remove %q: it is for sharing with other people's Grafana; "+
				"export without it, or run make dashboards-pull", key)
	}
	for _, key := range []string{"id", "version", "iteration"} {
		r.addIf("volatile", d.Get(key).Type != gjson.Null,
			"remove the key %q: it differs from one Grafana to the next", key)
	}
	r.addIf("uid", !uidPattern.MatchString(d.UID),
		"the uid is %q: give it one of 1 to 40 letters, digits, - and _, or Grafana makes up a new one",
		d.UID)
	r.addIf("title", strings.TrimSpace(d.Title) == "",
		"the title is empty: Grafana does not load the file without one")
	version := d.Get("schemaVersion").Int()
	r.addIf("schema", version != schemaVersion,
		"the schemaVersion is %d, and Grafana changes the whole file when somebody saves it: "+
			"use %d, or open it in Grafana, save it and run make dashboards-pull",
		version, schemaVersion)
	refresh := d.Get("refresh")
	ok := refresh.Type == gjson.Null || refresh.Type == gjson.False ||
		refresh.Type == gjson.String && refreshPattern.MatchString(refresh.Str)
	r.addIf("refresh", !ok, "the refresh is %v: use a string, \"5s\" or longer (new windows come "+
		"every 5 seconds), or \"\" for none", refresh)
}

var dashboardPath = regexp.MustCompile(`^/d/([a-zA-Z0-9_-]+)`)

// links checks that links between dashboards lead somewhere and keep the time.
func (r report) links(d *Dashboard, set *Set) {
	check := func(r report, link gjson.Result, keepsTime bool) {
		url, title := link.Get("url").Str, link.Get("title").Str
		m := dashboardPath.FindStringSubmatch(url)
		if m == nil {
			return
		}
		r.addIf("link", set.dashboard(m[1]) == nil,
			"the link %q leads to the dashboard %q, which is in no file: correct it", title, m[1])
		r.addIf("link", !keepsTime && !strings.Contains(url, "__url_time_range"),
			"the link %q loses the time range: add ${__url_time_range} to its address", title)
	}
	for _, link := range d.Get("links").Array() {
		check(r, link, true) // by a switch of its own
	}
	for _, p := range d.panels() {
		for _, link := range p.links() {
			check(r.at(p.String()), link, false)
		}
	}
}

// providers checks how Grafana is told of the dashboards' folder.
func (r report) providers(providers []gjson.Result) {
	for _, p := range providers {
		r := r.at(fmt.Sprintf("provider %q", p.Get("name").Str))
		interval := p.Get("updateIntervalSeconds").Int()
		r.addIf("deletion", p.Get("disableDeletion").Type != gjson.True,
			"a file that is gone, be it for the moment in which an editor writes it, "+
				"deletes its dashboard: set disableDeletion: true")
		r.addIf("deletion", interval <= 10,
			"its updateIntervalSeconds is %d: with 10 or less Grafana waits for events, "+
				"which bind mounts may not send; use 15", interval)
	}
}
