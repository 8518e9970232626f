package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// comparisons are those that a threshold has.
var comparisons = []string{"gt", "gte", "lt", "lte", "eq", "ne", "within_range", "outside_range"}

// alerts checks the rules.
func (r report) alerts(set *Set) {
	uids, titles := map[string]bool{}, map[string]bool{}
	for _, rule := range set.Rules() {
		uid, title := rule.Get("uid").Str, rule.Get("title").Str
		r := report{file: rule.File, where: fmt.Sprintf("rule %q", title), problems: r.problems}
		r.addIf("alert-uid", !uidPattern.MatchString(uid) || uids[uid],
			"its uid %q is not one of 1 to 40 letters, digits, - and _, or another rule has it: change it",
			uid)
		r.addIf("alert-title", title == "" || titles[title],
			"its title is empty, or another rule has it: change it")
		uids[uid], titles[title] = true, true
		r.alert(rule, set)
	}
}

// valued matches a text that uses what the query returned.
var valued = regexp.MustCompile(`\$(values|labels)\b`)

func (r report) alert(rule Rule, set *Set) {
	summary, description := rule.Get("annotations.summary").Str,
		rule.Get("annotations.description").Str
	r.addIf("alert-text", summary == "" || description == "",
		"it needs the annotations summary and description: people read them at night")
	r.addIf("alert-text", rule.Get("labels.severity").Str == "", "it needs the label severity")
	for name, text := range rule.Get("labels").Map() {
		r.addIf("alert-label", strings.Contains(text.Str, "$"),
			"the label %s has a dollar sign, which Grafana eats: use templates in annotations only", name)
	}
	failed := rule.Get("execErrState").Str
	r.addIf("alert-state", rule.Get("noDataState").Str == "" || failed == "",
		"say what no data and a failed query mean: noDataState and execErrState, each OK, KeepLast, "+
			"Alerting, NoData or Error")
	rule.Get("annotations").ForEach(func(name, text gjson.Result) bool {
		whole := failed == "KeepLast" || strings.Contains(text.Str, "{{ else }}")
		r.addIf("alert-text", !whole && valued.MatchString(text.Str),
			"its %s has a hole when the query fails, since there is no value then: "+
				"write {{ with $values… }}…{{ else }}…{{ end }}, or execErrState: KeepLast", name)
		return true
	})
	condition, known := rule.Get("condition").Str, false
	for _, step := range rule.Get("data").Array() {
		known = known || step.Get("refId").Str == condition
		r.alertStep(step)
	}
	r.addIf("alert-step", !known,
		"its condition %q is none of its steps: name the refId of the threshold", condition)
	uid, id, leads := rule.Get("dashboardUid").Str, int(rule.Get("panelId").Int()), false
	if d := set.dashboard(uid); d != nil && id > 0 {
		_, leads = d.panel(id)
	}
	r.addIf("alert-panel", !leads, "it leads to panel %d of the dashboard %q, "+
		"which is in no file: give it the dashboardUid and panelId of one", id, uid)
}

func (r report) alertStep(step gjson.Result) {
	ref, source, model := step.Get("refId").Str, step.Get("datasourceUid").Str, step.Get("model")
	what, query, kind := "step "+ref, model.Get("query").Str, model.Get("type").Str
	r.addIf("alert-step", model.Get("refId").Str != ref,
		"%s says %q in its model: both refIds must be the same", what, model.Get("refId").Str)
	switch source {
	case DataSource, Pipeline:
		r.addIf("alert-step", step.Get("relativeTimeRange.from").Int() <= 0,
			"%s has no relativeTimeRange: say how many seconds it looks back", what)
		r.flux(what, query, nil)
		r.ranged(what, query)
		r.addIf("alert-step", strings.Contains(query, "$"),
			"%s has a dollar sign: alerts know no variables", what)
	case Expression:
		r.addIf("alert-step", kind != "reduce" && kind != "threshold",
			"%s is of type %q: use reduce and threshold, with sums done in Flux", what, kind)
		for _, comparison := range model.Get("conditions.#.evaluator.type").Array() {
			r.addIf("alert-step", !slices.Contains(comparisons, comparison.Str),
				"%s compares with %q: use one of %s",
				what, comparison.Str, strings.Join(comparisons, ", "))
		}
	default:
		r.add("datasource", "%s reads the data source %q: use %s or %s",
			what, source, DataSource, Expression)
	}
}
