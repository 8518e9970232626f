package proxy

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A decision is what happens to a request.
type decision int

const (
	local decision = iota // answered with success, without Grafana
	pass                  // sent to Grafana
	solo                  // pass, the parameters being those of a panel
	query                 // pass, the body being a query of the dashboard
)

type row struct {
	methods  string
	path     string // {…} stands for one of placeholders; the whole path must match
	decision decision
	body     string // of a local answer; empty: status 204
}

const (
	get     = "GET"
	getHead = "GET HEAD"
	post    = "POST"
)

// table is the allow-list: what fits none of its rows is denied. Parameters go up for solo alone.
//
// Left out on purpose, among others, though Grafana's scripts ask for some of it: Live, whose
// grafana.query runs any query and whose push writes; data sources, whose proxy runs any query;
// folders, since the dashboard is in the root folder; logins, users and all administration.
var table = []row{
	{get, `/d-solo/{uid}{/slug}`, solo, ``}, // the panel's document
	{getHead, `/public/{folder}/{asset}`, pass, ``},
	{getHead, `/public/{plugins}/{deeper/}{plugin file}`, pass, ``}, // not a plugin's program
	{get, `/api/dashboards/uid/{uid}`, pass, ``},                    // up to Grafana 11; never an old version
	{get, `/api/dashboards/uid/{uid}/public-dashboards`, pass, ``},
	{get, `/apis/dashboard.grafana.app/{version}/namespaces/default/dashboards/{uid}`, pass, ``},
	{get, `/apis/dashboard.grafana.app/{version}/namespaces/default/dashboards/{uid}/dto`, pass, ``},
	{post, `/api/ds/query`, query, ``},

	// An error would show a message over the panel.
	{get, `/api/annotations`, local, `[]`},
	{get, `/api/prometheus/grafana/api/v1/rules`, local, `{"status":"success","data":{"groups":[]}}`},
	{get, `/api/login/ping`, local, `{"message":"Logged in"}`},
	{post, `/api/frontend-metrics`, local, ``}, // browsers' measurements are not wanted
}

// placeholders are the variable parts of the table's paths; {uid} is the configured one. No part
// matches an empty segment, and unusual has seen to it that there are no dot segments and no
// escapes.
var placeholders = []string{
	`{/slug}`, `(/[A-Za-z0-9_-]{1,200})?`,
	`{folder}`, `(build|fonts|img|locales|lib|maps|gazetteer)`,
	`{asset}`, `[A-Za-z0-9._~@+=-]+(/[A-Za-z0-9._~@+=-]+)*`,
	`{plugins}`, `(app/)?plugins`,
	`{deeper/}`, `([A-Za-z0-9._~@+=-]+/)+`,
	`{plugin file}`, `(module\.js|plugin\.json|[A-Za-z0-9._~@+=-]+\.(svg|png|gif|jpe?g|webp))`,
	`{version}`, `v[0-9]{1,2}((alpha|beta)[0-9]{1,2})?`,
}

// A rule is a row that is ready for use.
type rule struct {
	row
	path *regexp.Regexp
}

func compile(uid string) []rule {
	pairs := []string{regexp.QuoteMeta(`{uid}`), regexp.QuoteMeta(uid)}
	for i := 0; i < len(placeholders); i += 2 {
		pairs = append(pairs, regexp.QuoteMeta(placeholders[i]), placeholders[i+1])
	}
	replace := strings.NewReplacer(pairs...)
	rules := make([]rule, len(table))
	for i, row := range table {
		path := replace.Replace(regexp.QuoteMeta(row.path))
		rules[i] = rule{row, regexp.MustCompile(`\A` + path + `\z`)}
	}
	return rules
}

// match finds the rule for a request, nil if there is none.
func match(rules []rule, method, path string) *rule {
	i := slices.IndexFunc(rules, func(r rule) bool {
		return slices.Contains(strings.Fields(r.methods), method) && r.path.MatchString(path)
	})
	if i < 0 {
		return nil
	}
	return &rules[i]
}

// soloParameters are the parameters that a panel's address may have, with the form of their values.
// orgId and panelId are required; no parameter may come twice.
var soloParameters = map[string]*regexp.Regexp{
	"orgId":    regexp.MustCompile(`\A1\z`), // Main Org., the one that anonymous viewers see
	"panelId":  regexp.MustCompile(`\A[1-9][0-9]{0,8}\z`),
	"from":     timeParameter,
	"to":       timeParameter,
	"refresh":  regexp.MustCompile(`\A([0-9]{1,6}(ms|s|m|h|d))?\z`),
	"theme":    regexp.MustCompile(`\A(light|dark|system)\z`),
	"hideLogo": regexp.MustCompile(`\A(true|false|1|0)?\z`),
	"timezone": zoneParameter,
	"tz":       zoneParameter,
}

var (
	timeParameter = regexp.MustCompile(`\A[0-9A-Za-z:./+-]{1,40}\z`) // now-15m, milliseconds, RFC 3339
	zoneParameter = regexp.MustCompile(`\A[0-9A-Za-z_/+-]{0,64}\z`)
)

// soloQuery checks the parameters of a panel's document and returns them as they go up, in
// canonical form. It rejects what it does not know: Grafana's scripts, which read the address too,
// know parameters that switch features on.
func soloQuery(raw string) (string, error) {
	values, err := url.ParseQuery(raw)
	if err != nil {
		return "", errors.New("malformed parameters")
	}
	for name, given := range values {
		form, ok := soloParameters[name]
		if !ok {
			return "", fmt.Errorf("parameter %.40q is not permitted", name)
		}
		if len(given) != 1 {
			return "", fmt.Errorf("parameter %s is given more than once", name)
		}
		if !form.MatchString(given[0]) {
			return "", fmt.Errorf("parameter %s has an unusual value", name)
		}
	}
	if !values.Has("orgId") {
		return "", errors.New("parameter orgId=1 is missing")
	}
	panel, err := strconv.Atoi(values.Get("panelId"))
	if err != nil || !slices.Contains(panels, panel) {
		return "", fmt.Errorf("parameter panelId must be one of %v", panels)
	}
	return values.Encode(), nil
}
