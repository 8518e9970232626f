package lint

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// comparisons are those that a threshold has.
var comparisons = []string{"gt", "gte", "lt", "lte", "eq", "ne", "within_range", "outside_range"}

// alerts checks the rules.
func (r *report) alerts(set *Set) {
	defer func() { r.where = "" }()
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, f := range set.Alerting {
		r.file, r.where = f.Name, ""
		if f.Err != nil {
			r.add("yaml", "this is no YAML, and Grafana does not start with it: %v", f.Err)
			continue
		}
		for _, g := range f.Groups {
			for i := range g.Rules {
				rule := &g.Rules[i]
				r.where = fmt.Sprintf("rule %q", rule.Title)
				if !uidPattern.MatchString(rule.UID) || uids[rule.UID] {
					r.add("alert-uid", "its uid %q is not one of 1 to 40 letters, digits, - and _, or another rule has it: change it", rule.UID)
				}
				if rule.Title == "" || titles[rule.Title] {
					r.add("alert-title", "its title is empty, or another rule has it: change it")
				}
				uids[rule.UID], titles[rule.Title] = true, true
				r.alert(rule, set)
			}
		}
	}
}

func (r *report) alert(rule *Rule, set *Set) {
	if rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
		r.add("alert-text", "it needs the annotations summary and description: people read them at night")
	}
	if rule.Labels["severity"] == "" {
		r.add("alert-text", "it needs the label severity")
	}
	for name, text := range rule.Labels {
		if strings.Contains(text, "$") {
			r.add("alert-label", "the label %s has a dollar sign, which Grafana eats: use templates in annotations only", name)
		}
	}
	if rule.NoDataState == "" || rule.ExecErrState == "" {
		r.add("alert-state", "say what no data and a failed query mean: noDataState and execErrState, each "+
			"OK, KeepLast, Alerting, NoData or Error")
	}
	if rule.ExecErrState != "KeepLast" {
		for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
			if text := rule.Annotations[name]; valued.MatchString(text) &&
				!strings.Contains(text, "{{ else }}") {
				r.add("alert-text", "its %s has a hole when the query fails, since there is no value then: "+
					"write {{ with $values… }}…{{ else }}…{{ end }}, or execErrState: KeepLast", name)
			}
		}
	}
	if !slices.ContainsFunc(rule.Data, func(s Step) bool { return s.RefID == rule.Condition }) {
		r.add("alert-step", "its condition %q is none of its steps: name the refId of the threshold",
			rule.Condition)
	}
	for _, step := range rule.Data {
		r.alertStep(step)
	}
	if rule.DashboardUID == "" || rule.PanelID == 0 {
		r.add("alert-panel", "it leads to no panel: give it a dashboardUid and a panelId")
	} else if !panelExists(set, rule.DashboardUID, rule.PanelID) {
		r.add("alert-panel", "it belongs to panel %d of the dashboard %q, which is in no file: correct it", rule.PanelID, rule.DashboardUID)
	}
}

// valued matches a text that uses what the query returned.
var valued = regexp.MustCompile(`\$(values|labels)\b`)

func (r *report) alertStep(step Step) {
	if step.Model.RefID != step.RefID {
		r.add("alert-step", "step %s says %q in its model: both refIds must be the same",
			step.RefID, step.Model.RefID)
	}
	switch step.DatasourceUID {
	case DataSource, Pipeline:
		if step.Range == nil || step.Range.From <= 0 {
			r.add("alert-step", "step %s has no relativeTimeRange: say how many seconds it looks back",
				step.RefID)
		}
		r.flux("step "+step.RefID, step.Model.Query, nil)
		r.ranged("step "+step.RefID, step.Model.Query)
		if strings.Contains(step.Model.Query, "$") {
			r.add("alert-step", "step %s has a dollar sign: alerts know no variables", step.RefID)
		}
	case Expression:
		if !slices.Contains([]string{"reduce", "threshold"}, step.Model.Type) {
			r.add("alert-step", "step %s is of type %q: use reduce and threshold, with sums done in Flux",
				step.RefID, step.Model.Type)
		}
		for _, c := range step.Model.Conditions {
			if !slices.Contains(comparisons, c.Evaluator.Type) {
				r.add("alert-step", "step %s compares with %q: use one of %s",
					step.RefID, c.Evaluator.Type, strings.Join(comparisons, ", "))
			}
		}
	default:
		r.add("datasource", "step %s reads the data source %q: use %s or %s",
			step.RefID, step.DatasourceUID, DataSource, Expression)
	}
}

func panelExists(set *Set, uid string, id int) bool {
	for _, f := range set.Dashboards {
		if f.Dashboard == nil || f.Dashboard.UID != uid {
			continue
		}
		for p := range f.Dashboard.All() {
			if n, _ := p.Number(); n == id {
				return true
			}
		}
	}
	return false
}
