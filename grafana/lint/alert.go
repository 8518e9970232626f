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
func (r report) alerts(set *Set) {
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, rule := range set.Rules() {
		r := report{file: rule.File, where: fmt.Sprintf("rule %q", rule.Title), problems: r.problems}
		r.addIf("alert-uid", !uidPattern.MatchString(rule.UID) || uids[rule.UID],
			"its uid %q is not one of 1 to 40 letters, digits, - and _, or another rule has it: change it",
			rule.UID)
		r.addIf("alert-title", rule.Title == "" || titles[rule.Title],
			"its title is empty, or another rule has it: change it")
		uids[rule.UID], titles[rule.Title] = true, true
		r.alert(rule, set)
	}
}

// valued matches a text that uses what the query returned.
var valued = regexp.MustCompile(`\$(values|labels)\b`)

func (r report) alert(rule Rule, set *Set) {
	r.addIf("alert-text", rule.Annotations["summary"] == "" || rule.Annotations["description"] == "",
		"it needs the annotations summary and description: people read them at night")
	r.addIf("alert-text", rule.Labels["severity"] == "", "it needs the label severity")
	for name, text := range rule.Labels {
		r.addIf("alert-label", strings.Contains(text, "$"),
			"the label %s has a dollar sign, which Grafana eats: use templates in annotations only", name)
	}
	r.addIf("alert-state", rule.NoDataState == "" || rule.ExecErrState == "",
		"say what no data and a failed query mean: noDataState and execErrState, each OK, KeepLast, "+
			"Alerting, NoData or Error")
	for _, name := range slices.Sorted(maps.Keys(rule.Annotations)) {
		text := rule.Annotations[name]
		whole := rule.ExecErrState == "KeepLast" || strings.Contains(text, "{{ else }}")
		r.addIf("alert-text", !whole && valued.MatchString(text),
			"its %s has a hole when the query fails, since there is no value then: "+
				"write {{ with $values… }}…{{ else }}…{{ end }}, or execErrState: KeepLast", name)
	}
	isCondition := func(s Step) bool { return s.RefID == rule.Condition }
	r.addIf("alert-step", !slices.ContainsFunc(rule.Data, isCondition),
		"its condition %q is none of its steps: name the refId of the threshold", rule.Condition)
	for _, step := range rule.Data {
		r.alertStep(step)
	}
	known := false
	if d := set.dashboard(rule.DashboardUID); d != nil {
		_, known = d.panel(rule.PanelID)
	}
	r.addIf("alert-panel", !known || rule.PanelID < 1, "it leads to panel %d of the dashboard %q, "+
		"which is in no file: give it the dashboardUid and panelId of one",
		rule.PanelID, rule.DashboardUID)
}

func (r report) alertStep(step Step) {
	what, model := "step "+step.RefID, step.Model
	r.addIf("alert-step", model.RefID != step.RefID,
		"%s says %q in its model: both refIds must be the same", what, model.RefID)
	switch step.DatasourceUID {
	case DataSource, Pipeline:
		r.addIf("alert-step", step.Range == nil || step.Range.From <= 0,
			"%s has no relativeTimeRange: say how many seconds it looks back", what)
		r.flux(what, model.Query, nil)
		r.ranged(what, model.Query)
		r.addIf("alert-step", strings.Contains(model.Query, "$"),
			"%s has a dollar sign: alerts know no variables", what)
	case Expression:
		r.addIf("alert-step", model.Type != "reduce" && model.Type != "threshold",
			"%s is of type %q: use reduce and threshold, with sums done in Flux", what, model.Type)
		for _, c := range model.Conditions {
			r.addIf("alert-step", !slices.Contains(comparisons, c.Evaluator.Type),
				"%s compares with %q: use one of %s",
				what, c.Evaluator.Type, strings.Join(comparisons, ", "))
		}
	default:
		r.add("datasource", "%s reads the data source %q: use %s or %s",
			what, step.DatasourceUID, DataSource, Expression)
	}
}
