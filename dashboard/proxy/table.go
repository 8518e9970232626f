package proxy

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
)

// A decision is what happens to a request.
type decision int

const (
	local decision = iota // answered with success, without Grafana
	pass                  // sent to Grafana
	solo                  // pass, the parameters being those of a panel
	query                 // pass, the body being a query of the dashboard
)

// A rule says what happens to requests whose whole path matches an expression.
type rule struct {
	methods  string
	path     *regexp.Regexp
	decision decision
	body     string // of a local answer
}

const (
	get     = "GET"
	getHead = "GET HEAD"
	post    = "POST"
)

// newTable makes the allow-list of one dashboard: what fits none of its rows is denied. Parameters
// go up for solo alone. checkForm has seen to it that a path's segments are plain, not empty and no
// dots.
//
// Left out on purpose, among others, though Grafana's scripts ask for some of it: Live, whose
// grafana.query runs any query and whose push writes; data sources, whose proxy runs any query;
// folders, since the dashboard is in the root folder; logins, users and all administration.
func newTable(uid string) []rule {
	uid = regexp.QuoteMeta(uid)
	path := func(expression string) *regexp.Regexp {
		return regexp.MustCompile(`\A` + expression + `\z`)
	}
	return []rule{
		// The panel's document and its assets; of plugins not their programs.
		{get, path(`/d-solo/` + uid + `(/[A-Za-z0-9_-]{1,200})?`), solo, ``},
		{getHead, path(`/public/(build|fonts|img|locales|lib|maps|gazetteer)/.+`), pass, ``},
		{getHead, path(`/public/(app/)?plugins/.+/(module\.js|plugin\.json)`), pass, ``},
		{getHead, path(`/public/(app/)?plugins/.+/[^/]+\.(svg|png|gif|jpe?g|webp)`), pass, ``},
		// The dashboard, never an old version of it: up to Grafana 11, and later.
		{get, path(`/api/dashboards/uid/` + uid + `(/public-dashboards)?`), pass, ``},
		{get, path(`/apis/dashboard\.grafana\.app/v[0-9]{1,2}((alpha|beta)[0-9]{1,2})?` +
			`/namespaces/default/dashboards/` + uid + `(/dto)?`), pass, ``},
		{post, path(`/api/ds/query`), query, ``},

		// An error would show a message over the panel. Browsers' measurements are not wanted.
		{get, path(`/api/annotations`), local, `[]`},
		{
			get, path(`/api/prometheus/grafana/api/v1/rules`), local,
			`{"status":"success","data":{"groups":[]}}`,
		},
		{get, path(`/api/login/ping`), local, `{"message":"Logged in"}`},
		{post, path(`/api/frontend-metrics`), local, `{}`},
	}
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
		return "", forbidden("malformed parameters")
	}
	for name, given := range values {
		form, ok := soloParameters[name]
		if !ok || len(given) != 1 || !form.MatchString(given[0]) {
			return "", forbidden("parameter %.40q is not permitted, comes twice or has an unusual value",
				name)
		}
	}
	panel, err := strconv.Atoi(values.Get("panelId"))
	if err != nil || !slices.Contains(panels, panel) || !values.Has("orgId") {
		return "", forbidden("parameters orgId=1 and panelId, one of %v, are required", panels)
	}
	return values.Encode(), nil
}
