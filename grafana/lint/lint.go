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
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Check returns every problem, in order of file and place.
func Check(set *Set) []Problem {
	var r report
	for _, f := range set.Dashboards {
		r.file, r.where = f.Name, ""
		if f.Err != nil {
			r.unreadable(f.Err)
			continue
		}
		r.volatile(f.Dashboard)
		r.identity(f.Dashboard)
		r.strict(f.Data)
		r.grid(f.Dashboard.Panels)
		r.panels(f.Dashboard)
		r.variables(f.Dashboard)
		r.embedded(f.Dashboard)
		r.links(f.Dashboard, set)
	}
	r.unique(set)
	r.providers(set)
	r.alerts(set)
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.File, b.File) })
	return r.problems
}

// report collects problems of the place that is being checked.
type report struct {
	file, where string
	problems    []Problem
}

func (r *report) add(rule, format string, args ...any) {
	r.problems = append(r.problems,
		Problem{File: r.file, Where: r.where, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

func (r *report) unreadable(err error) {
	switch {
	case errors.Is(err, ErrEmpty):
		r.add("json", "%v: put the dashboard back, or delete the file", err)
	case errors.Is(err, ErrV2):
		r.add("v2", "%v: export it again as Classic, or run make dashboards-pull", err)
	default:
		r.add("json", "this is no dashboard: %v", err)
	}
}

// volatile reports what an export has and a file must not.
func (r *report) volatile(d *Dashboard) {
	for _, key := range []string{"__inputs", "__requires", "__elements"} {
		if d.Keys[key] != nil {
			r.add("inputs", "remove %q: it is for sharing with other people's Grafana; export without it, or run make dashboards-pull", key)
		}
	}
	for _, key := range []string{"id", "version", "iteration"} {
		if raw := d.Keys[key]; raw != nil && string(raw) != "null" {
			r.add("volatile", "remove the key %q: it differs from one Grafana to the next", key)
		}
	}
}

var uidPattern = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,40}$`)

// schemaVersion is that of Grafana 12.
const schemaVersion = 42

func (r *report) identity(d *Dashboard) {
	if !uidPattern.MatchString(d.UID) {
		r.add("uid", "the uid is %q: give it one of 1 to 40 letters, digits, - and _, or Grafana makes up a new one", d.UID)
	}
	if strings.TrimSpace(d.Title) == "" {
		r.add("title", "the title is empty: Grafana does not load the file without one")
	}
	if d.SchemaVersion != schemaVersion {
		r.add("schema", "the schemaVersion is %d, and Grafana changes the whole file when somebody saves it: "+
			"use %d, or open it in Grafana, save it and run make dashboards-pull", d.SchemaVersion, schemaVersion)
	}
	switch refresh := d.Refresh.(type) {
	case nil, bool:
	case string:
		if refresh != "" && !refreshPattern.MatchString(refresh) {
			r.add("refresh", "the refresh is %q: use 5s or longer (new windows come every 5 seconds), or \"\" for none", refresh)
		}
	default:
		r.add("refresh", "the refresh is %v: use a string like \"5s\", or \"\" for none", refresh)
	}
}

// refreshPattern is five seconds or more.
var refreshPattern = regexp.MustCompile(`^([5-9]|[1-9]\d+)s$|^[1-9]\d*[mhd]$`)

// unique reports two files that Grafana would take for the same dashboard.
func (r *report) unique(set *Set) {
	uids, titles := map[string]string{}, map[string]string{}
	for _, f := range set.Dashboards {
		if f.Dashboard == nil {
			continue
		}
		r.file, r.where = f.Name, ""
		uid, title := f.Dashboard.UID, strings.ToLower(f.Dashboard.Title)
		if other, ok := uids[uid]; ok && uid != "" {
			r.add("duplicate-uid", "the uid %q is that of %s too, and Grafana then updates no dashboard at all: change one", uid, other)
		}
		if other, ok := titles[title]; ok && title != "" {
			r.add("duplicate-title", "the title %q is that of %s too, and Grafana then updates no dashboard at all: change one", f.Dashboard.Title, other)
		}
		uids[uid], titles[title] = f.Name, f.Name
	}
}

// providers checks how Grafana is told of the dashboards' folder.
func (r *report) providers(set *Set) {
	defer func() { r.where = "" }()
	for _, f := range set.Providers {
		r.file, r.where = f.Name, ""
		if f.Err != nil {
			r.add("yaml", "this is no YAML, and Grafana does not start with it: %v", f.Err)
		}
		for _, p := range f.Providers {
			r.where = fmt.Sprintf("provider %q", p.Name)
			if !p.DisableDeletion {
				r.add("deletion", "a file that is gone, be it for the moment in which an editor writes it, "+
					"deletes its dashboard: set disableDeletion: true")
			}
			if p.Interval <= 10 {
				r.add("deletion", "its updateIntervalSeconds is %d: with 10 or less Grafana waits for events, "+
					"which bind mounts may not send; use 15", p.Interval)
			}
		}
	}
}
