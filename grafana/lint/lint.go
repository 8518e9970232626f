// Package lint checks dashboards and alert rules without running anything.
//
// Grafana itself says little about a file that it does not like: it logs a
// line and keeps the old copy, or shows a panel that stays empty. Each rule
// here is a mistake that really happens, and each message names the file, the
// panel and what to do. The rules fit Grafana 9.4 to 13.
//
// Whether queries return what they should is package verify's business.
package lint

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"colorstream/grafana/classic"
	"colorstream/grafana/provision"
)

// Set checks everything, in order of file and place.
func Set(set *provision.Set) []Problem {
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
	r.alerts(set)
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.File, b.File) })
	return r.problems
}

// report collects problems while a place is being looked at.
type report struct {
	file, where string
	problems    []Problem
}

func (r *report) add(rule, format string, args ...any) {
	r.problems = append(r.problems, Problem{File: r.file, Where: r.where, Rule: rule, Text: fmt.Sprintf(format, args...)})
}

func (r *report) unreadable(err error) {
	switch {
	case errors.Is(err, classic.ErrEmpty):
		r.add("json", "%v: put the dashboard back, or delete the file", err)
	case errors.Is(err, classic.ErrV2):
		r.add("v2", "%v: export it again as Classic, or run make dashboards-pull", err)
	default:
		r.add("json", "this is no dashboard: %v", err)
	}
}

// volatile looks for what an export carries and a file must not.
func (r *report) volatile(d *classic.Dashboard) {
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

func (r *report) identity(d *classic.Dashboard) {
	if !uidPattern.MatchString(d.UID) {
		r.add("uid", "the uid is %q: give it one of 1 to 40 letters, digits, - and _, or Grafana makes up a new one", d.UID)
	}
	if strings.TrimSpace(d.Title) == "" {
		r.add("title", "the title is empty: Grafana does not load the file without one")
	}
	if d.SchemaVersion < 30 || d.SchemaVersion > 42 {
		r.add("schema", "the schemaVersion is %d: use 37, which Grafana 9.4 and all later versions read", d.SchemaVersion)
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

// unique looks for two files that Grafana would take for the same dashboard.
func (r *report) unique(set *provision.Set) {
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
