package proxy

import (
	"regexp"
	"slices"
	"strings"
)

// A decision is what happens to a request.
type decision int

const (
	denied decision = iota // answered with an error here; the zero value, so that what is forgotten is denied
	here                   // answered with success here
	pass                   // sent to Grafana
)

// A check is what a request must satisfy beyond its method and path, and which parameters go up with it.
type check int

const (
	noCheck   check = iota // every parameter is dropped
	checkSolo              // the parameters are those of a panel (solo.go)
	checkBody              // the body is a query of the dashboard (query.go); every parameter is dropped
)

// A sharing tells which requests may be answered by one transfer.
type sharing int

const (
	alone    sharing = iota // each request has its own
	together                // equal ones at the same time share
	second                  // the same, and the answer is kept for a second
	cached                  // the same, and the answer is kept as long as its Cache-Control allows
)

const (
	get     = "GET"
	getHead = "GET HEAD"
	post    = "POST"
	every   = "" // every method
)

type row struct {
	methods  string
	path     string // {…} stands for one of placeholders; the whole path must match
	decision decision
	check    check
	sharing  sharing
	status   int    // here: what is answered
	body     string // here: with which JSON
	why      string
}

// table is the allow-list. The first row that fits a path and a method decides; a path that fits a row only under
// other methods is answered 405; what fits no row is denied and logged.
//
// The rows that deny change nothing but the log. They name what must never pass, and what Grafana's scripts are
// known to ask for without needing it.
var table = []row{
	{get, `/d-solo/{uid}{/slug}`, pass, checkSolo, alone, 0, "", "the panel's document"},
	{getHead, `/public/build/{asset}`, pass, noCheck, cached, 0, "", "scripts and styles, named by their content"},
	{getHead, `/public/{folder}/{asset}`, pass, noCheck, together, 0, "", "fonts, images, languages"},
	{getHead, `/public/{plugins}{deeper/}{plugin file}`, pass, noCheck, together, 0, "", "plugins, without their programs"},
	{get, `/api/dashboards/uid/{uid}`, pass, noCheck, alone, 0, "", "the dashboard, up to Grafana 11; never an old one"},
	{get, `/api/dashboards/uid/{uid}/public-dashboards`, pass, noCheck, alone, 0, "", "asked beside it"},
	{get, `/apis/dashboard.grafana.app/{version}/namespaces/default/dashboards/{uid}`, pass, noCheck, alone, 0, "", "the dashboard, Grafana 12 and later"},
	{get, `/apis/dashboard.grafana.app/{version}/namespaces/default/dashboards/{uid}/dto`, pass, noCheck, alone, 0, "", "the same with access rights"},
	{post, `/api/ds/query`, pass, checkBody, second, 0, "", "the panel's data"},

	{get, `/api/annotations`, here, noCheck, alone, 200, `[]`, "an error would show a toast over the panel"},
	{get, `/api/prometheus/grafana/api/v1/rules`, here, noCheck, alone, 200, `{"status":"success","data":{"groups":[]}}`, "asked for the panel's alert state"},
	{get, `/api/login/ping`, here, noCheck, alone, 200, `{"message":"Logged in"}`, "asked when Live fails; an error would show a toast over the panel"},
	{post, `/api/frontend-metrics`, here, noCheck, alone, 204, ``, "browsers' measurements are not wanted"},

	{every, `/api/live/{rest}`, denied, noCheck, alone, 0, "", "its grafana.query runs any query, and its push writes"},
	{every, `/api/folders{/rest}`, denied, noCheck, alone, 0, "", "the dashboard is in the root folder"},
	{every, `/apis/folder.grafana.app/{rest}`, denied, noCheck, alone, 0, "", "the same, Grafana 12 and later"},
	{every, `/{login}{/rest}`, denied, noCheck, alone, 0, "", "nobody logs in here"},
	{every, `/api/{administration}{/rest}`, denied, noCheck, alone, 0, "", "accounts, organisations, settings"},
	{every, `/api/datasources{/rest}`, denied, noCheck, alone, 0, "", "a data source's proxy runs any query"},
	{every, `/{tools}{/rest}`, denied, noCheck, alone, 0, "", "other faces of the same server"},
}

// placeholders are the variable parts of the table's paths; {uid} is the configured one. No part matches an empty
// segment, and refuse has seen to it that there are no dot segments and no escapes.
var placeholders = map[string]string{
	`{/slug}`:          `(/[A-Za-z0-9_-]{1,200})?`,
	`{folder}`:         `(fonts|img|locales|lib|maps|gazetteer)`,
	`{plugins}`:        `(app/)?plugins/`,
	`{deeper/}`:        `([A-Za-z0-9._~@+=-]+/)+`,
	`{plugin file}`:    `(module\.js|plugin\.json|[A-Za-z0-9._~@+=-]+\.(svg|png|gif|jpe?g|webp))`,
	`{asset}`:          `[A-Za-z0-9._~@+=-]+(/[A-Za-z0-9._~@+=-]+)*`,
	`{version}`:        `v[0-9]{1,2}((alpha|beta)[0-9]{1,2})?`,
	`{login}`:          `(login|logout)`,
	`{administration}`: `(admin|users?|orgs?|gnet)`,
	`{tools}`:          `(render|metrics|explore|swagger)`,
	`{/rest}`:          `(/.*)?`,
	`{rest}`:           `.*`,
}

// A rule is a row that is ready for use.
type rule struct {
	row
	methods []string
	path    *regexp.Regexp
}

func compile(uid string) []rule {
	var pairs []string
	for name, expression := range placeholders {
		pairs = append(pairs, regexp.QuoteMeta(name), expression)
	}
	replace := strings.NewReplacer(append(pairs, regexp.QuoteMeta(`{uid}`), regexp.QuoteMeta(uid))...)
	rules := make([]rule, 0, len(table))
	for _, row := range table {
		rules = append(rules, rule{
			row: row, methods: strings.Fields(row.methods),
			path: regexp.MustCompile(`\A` + replace.Replace(regexp.QuoteMeta(row.path)) + `\z`),
		})
	}
	return rules
}

// match finds the rule for a request. Without one it says which methods the path's rows know, if any.
func match(rules []rule, method, path string) (found *rule, methods string) {
	if len(path) > maxPath {
		return nil, ""
	}
	var known []string
	for i := range rules {
		if !rules[i].path.MatchString(path) {
			continue
		}
		if len(rules[i].methods) == 0 || slices.Contains(rules[i].methods, method) {
			return &rules[i], ""
		}
		known = append(known, rules[i].methods...)
	}
	return nil, strings.Join(known, ", ")
}

// maxPath is longer than any path of Grafana's that the table lets through.
const maxPath = 512
