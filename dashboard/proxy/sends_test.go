package proxy_test

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// sends is the table: every row of what is known about Grafana's requests, and what attackers would
// try.
func sends() []send {
	return slices.Concat(permitted(), answered(),
		elsewhere(), oddTargets(), oddParameters(), oddHeaders(), oddBodies(), oddMessages())
}

func permitted() []send {
	mean := body(meanQuery)
	return slices.Concat(
		passes("the panel", each(
			"/d-solo/colors/x?orgId=1&panelId=1&from=now-15m&to=now&refresh=5s&theme=dark&hideLogo=true",
			"/d-solo/colors/x?orgId=1&panelId=4&from=1767225600000&to=1767226500000&theme=light",
			"/d-solo/colors/any-title_1?panelId=2&orgId=1&from=now-6h&to=now-1h&refresh=&hideLogo",
			"/d-solo/colors?orgId=1&panelId=3&from=2026-01-01T00:00:00.000Z&to=now/d&timezone=Europe/Berlin")...),
		passes("assets", each(
			"/public/build/app.1234.js", "/public/build/grafana.dark.5678.css", "/public/build/a~b@c+d=e.js",
			"/public/fonts/inter/Inter-Regular.woff2", "/public/img/grafana_icon.svg",
			"/public/img/icons/unicons/bell.svg", "/public/plugins/influxdb/module.js?_cache=1",
			"/public/plugins/x/plugin.json", "/public/plugins/x/img/a/logo.svg",
			"/public/app/plugins/panel/x/module.js",
			"/public/app/plugins/datasource/influxdb/img/influxdb_logo.svg",
			"/public/locales/en-US/grafana.json", "/public/lib/monaco/a.js",
			"/public/maps/countries.geojson",
			"/public/gazetteer/countries.json")...),
		passes("heads", request("HEAD", "/public/build/app.js"), request("HEAD", "/public/img/a.svg")),
		passes("the dashboard", each(
			"/api/dashboards/uid/colors", "/api/dashboards/uid/colors/public-dashboards",
			"/api/dashboards/uid/colors?accesscontrol=true",
			"/apis/dashboard.grafana.app/v1/namespaces/default/dashboards/colors",
			"/apis/dashboard.grafana.app/v0alpha1/namespaces/default/dashboards/colors",
			"/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/colors/dto",
			"/apis/dashboard.grafana.app/v2alpha1/namespaces/default/dashboards/colors/dto")...),
		passes("queries",
			query(mean), query(body(medianQuery)), chunked(mean),
			request("POST", "/api/ds/query?ds_type=influxdb&requestId=Q100",
				"Content-Type: application/json; charset=utf-8",
				fmt.Sprintf("Content-Length: %d", len(mean)))+mean,
			query(strings.Replace(mean, `"datasourceId":1`, `"legendFormat":"y","queryCachingTTL":60000`,
				1)),
			query(strings.Replace(mean, `"maxDataPoints":881`, `"maxDataPoints":880.5`, 1)),
			query(mean, "Origin: http://page.test:8050"), query(mean, "Sec-Fetch-Site: same-origin")),
	)
}

func answered() []send {
	return []send{
		{"annotations", request("GET", "/api/annotations?from=1&to=2&dashboardUID=colors"), 200, false},
		{"alert rules", request("GET",
			"/api/prometheus/grafana/api/v1/rules?dashboard_uid=colors&panel_id=1"), 200, false},
		{"login ping", request("GET", "/api/login/ping"), 200, false},
		{
			"front-end metrics", request("POST", "/api/frontend-metrics", "Content-Length: 2") + "{}", 200,
			false,
		},
	}
}

// elsewhere are paths that are Grafana's, but not the panel's.
func elsewhere() []send {
	return slices.Concat(
		unknown("never", each(
			"/login", "/login/ping", "/api/login", "/api/login/ping/x", "/login/generic_oauth", "/logout",
			"/api/admin/settings", "/api/admin/users", "/api/user", "/api/users", "/api/user/preferences",
			"/api/org", "/api/orgs", "/api/org/users", "/api/datasources", "/api/datasources/1",
			"/api/datasources/proxy/1/api/v2/query",
			"/api/datasources/proxy/uid/colorstream-influxdb/api/v2/query",
			"/api/datasources/uid/colorstream-influxdb/resources/x",
			"/api/datasources/uid/colorstream-influxdb/health", "/api/live/ws", "/api/live/list",
			"/api/gnet/plugins", "/render/d-solo/colors/x?orgId=1&panelId=1", "/metrics",
			"/explore", "/swagger", "/api/folders/abc",
			"/apis/folder.grafana.app/v1beta1/namespaces/default/folders/abc")...),
		unknown("unknown", each(
			"/", "/api", "/apis", "/api/search", "/api/snapshots", "/api/plugins", "/api/health",
			"/api/frontend/settings", "/swagger-ui", "/openapi3", "/bootdata",
			"/avatar/46d229b033af06a191ff2267bca9ae56", "/api/tsdb/query",
			"/apis/query.grafana.app/v0alpha1/namespaces/default/query", "/api/serviceaccounts/search",
			"/api/auth/keys", "/api/access-control/users", "/api/alertmanager/grafana/api/v2/silences",
			"/d/colors/x", "/dashboards", "/api/public/dashboards/abc", "/public-dashboards/abc",
			"/debug/pprof/profile", "/robots.txt", "/public", "/public/build",
			"/public/dashboards/home.json", "/public/emails/reset.html", "/public/app", "/public/app/app.ts",
			"/public/plugins/colorstream-live/gpx_live_linux_amd64", "/public/plugins/x/gpx_x.exe",
			"/public/plugins/x/MANIFEST.txt", "/public/plugins/x/README.md",
			"/public/plugins/x/module.js.map", "/public/plugins/x/xmodule.js", "/public/plugins/module.js",
			"/public/plugins/x/module.js/y", "/public/plugins/x/logo.svg.exe",
			"/public/app/plugins/x/gpx_x", "/public/testdata/x.json", "/public/views/index.html")...),
		unknown("posts", request("POST", "/login", "Content-Length: 0"),
			request("POST", "/api/live/push/x", "Content-Length: 1")+"x",
			request("POST", "/api/live/publish", "Content-Length: 2")+"{}", request("PUT",
				"/api/admin/users/1/password", "Content-Length: 0"),
			request("POST", "/api/datasources/proxy/1/api/v2/query",
				"Content-Length: 0"), request("DELETE", "/api/datasources/1"),
			request("POST", "/api/dashboards/db",
				"Content-Length: 2")+"{}", request("POST", "/api/annotations/graphite", "Content-Length: 0")),
		unknown("other dashboards", each(
			"/d-solo/other/x?orgId=1&panelId=1", "/d-solo/colors2/x?orgId=1&panelId=1",
			"/d-solo/xcolors/x?orgId=1&panelId=1", "/d-solo/colors/x/y?orgId=1&panelId=1",
			"/d-solo?orgId=1&panelId=1", "/dashboard-solo/db/colors?orgId=1&panelId=1",
			"/api/dashboards/uid/other", "/api/dashboards/uid/colors/versions",
			"/api/dashboards/uid/colors/permissions", "/api/dashboards/uid", "/api/dashboards/home",
			"/api/dashboards/id/1/versions", "/api/dashboards/tags",
			"/apis/dashboard.grafana.app/v1/namespaces/default/dashboards",
			"/apis/dashboard.grafana.app/v1/namespaces/default/dashboards/other",
			"/apis/dashboard.grafana.app/v1/namespaces/org-2/dashboards/colors",
			"/apis/dashboard.grafana.app/v1/dashboards/colors",
			"/apis/dashboard.grafana.app/v1x/namespaces/default/dashboards/colors",
			"/apis/dashboardXgrafana.app/v1/namespaces/default/dashboards/colors",
			"/apis/dashboard.grafana.app/v1/namespaces/default/dashboards/colors/history",
			"/apis/dashboard.grafana.app/v1beta1/search")...),
		unknown("case tricks", each(
			"/D-SOLO/colors/x?orgId=1&panelId=1", "/d-solo/Colors/x?orgId=1&panelId=1",
			"/d-solo/COLORS/x?orgId=1&panelId=1",
			"/Public/build/app.js", "/public/Build/app.js", "/API/dashboards/uid/colors", "/api/DS/query",
			"/Api/Admin/settings")...),
		unknown("methods", request("GET", "/api/ds/query"),
			request("PUT", "/api/ds/query", "Content-Length: 2")+"{}", request("OPTIONS", "/api/ds/query"),
			request("PATCH", "/api/ds/query", "Content-Length: 2")+"{}",
			request("DELETE", "/api/dashboards/uid/colors"),
			request("POST", "/api/dashboards/uid/colors", "Content-Length: 2")+"{}",
			request("TRACE", "/public/build/app.js"),
			request("POST", "/public/build/app.js", "Content-Length: 0"), request("HEAD", solo),
			request("HEAD", "/api/dashboards/uid/colors"), request("get", "/public/build/app.js"),
			request("POST", "/api/annotations", "Content-Length: 2")+"{}",
			request("GET", "/api/frontend-metrics"),
			request("CONNECT", "/public/build/app.js"),
			request("QUERY", "/api/ds/query", "Content-Length: 2")+"{}",
			request("PROPFIND", "/public/img/a.svg"),
			request("OPTIONS", "/public/build/app.js", "Origin: http://evil.test",
				"Access-Control-Request-Method: GET")),
	)
}

// oddTargets are request targets that two readers could read differently.
func oddTargets() []send {
	return slices.Concat(
		bad("escapes", each(
			"/public/build/..%2f..%2fapi/admin/settings", "/public/build/%2e%2e/%2e%2e/api/admin/settings",
			"/public/build%2fapp.js", "/public/build/%2e%2e%2fapp.js", "/public/build/%252e%252e/api/users",
			"/%64-solo/colors/x?orgId=1&panelId=1", "/d-solo/colo%72s/x?orgId=1&panelId=1",
			"/public/build/app%00.js", "/public/build/app.js%00", "/public/build/a%20b.js",
			"/public/build/%c0%ae%c0%ae/x", "/public/build/app.js%3Forgid=2", "/public/build/..%5c..%5capi",
			"/api%2fadmin%2fsettings",
			"/public/build/app.js%0d%0aX-WEBAUTH-USER:%20admin", "/api/ds%2fquery",
			"/d-solo/colors/x%3ForgId=1&panelId=1", "/%2e/public/build/app.js")...),
		bad("dots and slashes", each(
			"/public/build/../../api/admin/settings", "/public/../api/users", "/public/build/..",
			"/public/build/./app.js", "/./login", "/public/build/.", "/../etc/passwd",
			"//api/admin/settings", "/public//build/app.js", "/public/build//app.js",
			"/public/build/app.js/", "/d-solo/colors/?orgId=1&panelId=1", "/api/dashboards/uid/colors/",
			"/api/ds/query/",
			"/public/plugins/../../../../etc/passwd", "/api/dashboards/uid/colors/..",
			"/api/dashboards/uid/../../admin/settings", "///", "/apis/")...),
		bad("characters", each(
			`/public/build/..\..\api`, `/public\build/app.js`, `\public/build/app.js`,
			"/public/build/app.js;x=1", "/public/build/;/app.js",
			"/d-solo/colors/x;orgId=2?orgId=1&panelId=1", "/public/build/app.js#x", "/public/build/é.js",
			"/public/build/a*b", "/public/build/a:b",
			"/public/build/a|b", "/public/build/<x>", `/public/build/"x"`, "/public/build/a,b",
			"/public/build/$a", "/public/build/a&b", "/public/build/a!b")...),
		bad("control characters", request("GET", "/public/build/a\x00b"),
			request("GET", "/public/build/a\tb"),
			request("GET", "/public/build/a\x7fb"), request("GET", "/public/build/a b"), request("GET", "")),
		bad("other forms", append(each(
			"http://page.test:8050/public/build/app.js", "http://127.0.0.1:3000/api/admin/settings",
			"https://evil.test/", "http:///public/build/app.js",
			"http://admin:admin@page.test:8050/public/build/app.js", "file:///etc/passwd", "page.test:8050",
			"*", "public/build/app.js", "mailto:x"),
			request("CONNECT", "127.0.0.1:3000"))...),
		many("OPTIONS *", 200, false, []string{request("OPTIONS", "*")}), // the server's own answer
		bad("long path", request("GET", "/public/build/"+strings.Repeat("x", 600))),
	)
}

func oddParameters() []send {
	return denied("parameters", each(
		"/d-solo/colors/x?orgId=2&panelId=1", "/d-solo/colors/x?orgId=1&orgId=2&panelId=1",
		"/d-solo/colors/x?orgId=2&orgId=1&panelId=1", "/d-solo/colors/x?orgId=01&panelId=1",
		"/d-solo/colors/x?orgId=&panelId=1", "/d-solo/colors/x?panelId=1", "/d-solo/colors/x",
		"/d-solo/colors/x?orgid=1&panelId=1", "/d-solo/colors/x?orgId=1%20&panelId=1",
		"/d-solo/colors/x?orgId=-1&panelId=1", "/d-solo/colors/x?orgId=1",
		"/d-solo/colors/x?orgId=1&panelId=5", "/d-solo/colors/x?orgId=1&panelId=9",
		"/d-solo/colors/x?orgId=1&panelId=panel-1", "/d-solo/colors/x?orgId=1&panelId=1&panelId=9",
		"/d-solo/colors/x?orgId=1&panelId=01", "/d-solo/colors/x?orgId=1&panelId=1%00",
		"/d-solo/colors/x?orgId=1&panelId=99999999999999999999",
		"/d-solo/colors/x?orgId=1&panelId=1&auth_token=abc",
		"/d-solo/colors/x?orgId=1&panelId=1&targetOrgId=2",
		"/d-solo/colors/x?orgId=1&panelId=1&forceLogin=true", "/d-solo/colors/x?orgId=1&panelId=1&kiosk",
		"/d-solo/colors/x?orgId=1&panelId=1&var-color=red",
		"/d-solo/colors/x?orgId=1&panelId=1&__feature.queryOverLive=true",
		"/d-solo/colors/x?orgId=1&panelId=1&editPanel=1", "/d-solo/colors/x?orgId=1&panelId=1;orgId=2",
		"/d-solo/colors/x?orgId=1&panelId=1&theme=evil",
		"/d-solo/colors/x?orgId=1&panelId=1&from=%3Cscript%3E",
		"/d-solo/colors/x?orgId=1&panelId=1&refresh=1x", "/d-solo/colors/x?orgId=1&panelId=1&%zz=1",
		"/d-solo/colors/x?orgId=1&panelId=1&hideLogo=%0d%0aX:1",
		"/d-solo/colors/x?orgId=1&panelId=1&from="+strings.Repeat("1", 41),
		"/d-solo/colors/x?orgId=1&panelId=1&apiKey=x", "/d-solo/colors/x?orgId=1&panelId=1&token=x")...)
}

// oddHeaders are requests in order whose headers must not come along, and some that are not in
// order.
func oddHeaders() []send {
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("admin:admin"))
	var all []send
	for _, header := range []string{
		"Cookie: grafana_session=0123456789abcdef", "Cookie: grafana_session=1; grafana_session_expiry=2",
		"Authorization: " + basic,
		"Authorization: Bearer glsa_x", "X-WEBAUTH-USER: admin", "X-Webauth-Name: admin",
		"X-JWT-Assertion: eyJ", "X-Grafana-Org-Id: 2", "X-Grafana-Device-Id: x", "X-Grafana-User: admin",
		"X-Grafana-NoCache: true", "X-Grafana-Id: eyJ", "X-Access-Token: x", "X-Forwarded-For: 127.0.0.1",
		"X-Forwarded-Host: evil.test",
		"X-Forwarded-Proto: https", "X-Real-Ip: 127.0.0.1", "Forwarded: for=127.0.0.1",
		"Proxy-Authorization: " + basic, "Proxy-Connection: keep-alive",
		"X-HTTP-Method-Override: DELETE", "X-Original-URL: /api/admin/settings",
		"X-Rewrite-URL: /api/admin/settings", "Origin: http://evil.test",
		"Referer: http://page.test:8050/?auth_token=x", "X-Dashboard-Uid: other",
		"X-Datasource-Uid: other", "X-Auth-Request-User: admin", "Remote-User: admin",
		"Connection: X-WEBAUTH-USER", "Te: trailers", "Trailer: X-Late", "Keep-Alive: 5",
		"Traceparent: 00-0-0-01", "Via: 1.1 x", "X_WEBAUTH_USER: admin", "x-webauth-user: admin",
		"COOKIE: grafana_session=1", "Sec-Websocket-Key: x", "Upgrade-Insecure-Requests: 1",
		"Expect: 100-continue",
	} {
		all = append(all, passes("stripped: "+header,
			request("GET", solo, header), request("GET", "/public/build/a.js", header))...)
	}
	upgrade := []string{
		"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x",
		"Sec-WebSocket-Version: 13",
	}
	all = slices.Concat(all,
		passes("parameters dropped",
			each("/api/dashboards/uid/colors?auth_token=x&targetOrgId=2&forceLogin=true",
				"/public/build/a.js?orgId=2;x",
				"/public/build/app.js?"+strings.Repeat("x", 3000))...),
		passes("an upgrade to nothing",
			request("GET", "/public/build/a.js", "Connection: keep-alive, UPGRADE")),
		bad("upgrades", request("GET", "/api/live/ws", upgrade...),
			request("GET", solo, upgrade...), request("GET", "/public/build/a.js", "Upgrade: h2c"),
			request("POST", "/api/ds/query", append(upgrade, "Content-Length: 0")...),
			request("GET", solo, "upgrade: WebSocket", "connection: upgrade")),
	)
	mean := body(meanQuery)
	return slices.Concat(all,
		denied("another site's page", query(mean, "Origin: http://evil.test"),
			query(mean, "Origin: null"), query(mean, "Sec-Fetch-Site: cross-site"),
			query(mean, "Sec-Fetch-Site: same-site")),
		many("types", 415, false, []string{
			request("POST", "/api/ds/query", "Content-Type: text/plain",
				fmt.Sprintf("Content-Length: %d", len(mean))) + mean,
			request("POST", "/api/ds/query", fmt.Sprintf("Content-Length: %d", len(mean))) + mean,
			request("POST", "/api/ds/query", "Content-Type: application/x-www-form-urlencoded",
				fmt.Sprintf("Content-Length: %d", len(mean))) + mean,
			query(mean, "Content-Encoding: gzip"), query(mean, "Content-Type: text/plain"),
		}),
	)
}

// oddBodies are data queries that are not the dashboard's.
func oddBodies() []send {
	mean := body(meanQuery)
	with := func(old string, news ...string) (raws []string) {
		if !strings.Contains(mean, old) {
			panic("the body has no " + old)
		}
		for _, text := range news {
			raws = append(raws, query(strings.Replace(mean, old, text, 1)))
		}
		return raws
	}
	one := mean[strings.Index(mean, "[")+1 : strings.Index(mean, `],"range"`)]
	var eleven []string
	for i := range 11 {
		eleven = append(eleven, strings.Replace(one, `"refId":"A"`, fmt.Sprintf(`"refId":"A%d"`, i), 1))
	}
	return slices.Concat(
		denied("text", query(body(otherQuery)),
			query(body("another source")), query(body("$A*2")), query(body("")), query(body(meanQuery+" ")),
			query(body(" "+meanQuery)), query(body(meanQuery+"\n|> drop()")),
			query(body(strings.ToUpper(meanQuery))),
			query(body(strings.Replace(meanQuery, "\n", "\r\n", 1))),
			query(body(strings.Replace(meanQuery, "é", "e\u0301", 1))), query(body("buckets()")),
			query(body(meanQuery+"\x00")),
			query(body(`import "experimental/http" http.get(url: "http://127.0.0.1")`)),
			query(body("v.timeRangeStart"))),
		denied("data source", slices.Concat(
			with(`"uid":"colorstream-influxdb"`, `"uid":"another"`, `"uid":"Colorstream-InfluxDB"`,
				`"uid":"another","uid":"colorstream-influxdb"`),
			with(`"type":"influxdb"`, `"type":"prometheus"`, `"type":"__expr__"`),
			with(source, `{"type":"__expr__","uid":"__expr__"}`, `"colorstream-influxdb"`, `null`,
				`{"type":"influxdb"}`, `[`+source+`]`),
			with(`"datasource":`+source+`,`, ``),
			with(`"uid":`, `"UID":`),
			with(`"datasource":`+source,
				`"datasource":{"type":"influxdb","uid":"another"},"datasource":`+source),
		)...),
		passes("keys that stay behind", slices.Concat(
			with(`"datasourceId":1`, `"options":{"bucket":"\") |> drop() //"}`, `"rawSql":"SELECT 1"`,
				`"expression":"$A"`,
				`"type":"math"`, `"intervalMS":1`, `"timeRange":{"from":"0","to":"now"}`),
			with(`"range":`, `"debug":true,"range":`, `"publicDashboardAccessToken":"x","range":`),
			with(`"query":`, `"Query":"buckets()","query":`),
			with(`"queries":`, `"Queries":[],"queries":`),
			with(source, `{"type":"influxdb","uid":"colorstream-influxdb","id":2}`),
		)...),
		denied("keys", slices.Concat(
			with(`"datasourceId":1`, `"datasourceId":1,"datasourceId":2`),
			with(`"query":`, `"query":"buckets()","query":`, `"\u0071uery":"buckets()","query":`),
			with(`"queries":`, `"queries":[],"queries":`),
			with(`"from":"1767225600123"`, `"from":"0","from":"1767225600123"`),
		)...),
		denied("bounds", slices.Concat(
			with(`"intervalMs":5000`, `"intervalMs":0`, `"intervalMs":-5`, `"intervalMs":1`,
				`"intervalMs":1e300`,
				`"intervalMs":"5000"`, `"intervalMs":null`),
			with(`"intervalMs":5000,`, ``),
			with(`"maxDataPoints":881`, `"maxDataPoints":12001`, `"maxDataPoints":0`, `"maxDataPoints":-1`,
				`"maxDataPoints":1e10`),
			with(`"from":"1767225600123"`, `"from":"now-15m"`, `"from":"1700000000000"`,
				`"from":"1767226500123"`,
				`"from":"1767226500124"`, `"from":1767225600123`, `"from":"-1"`, `"from":""`, `"from":"0x19b"`,
				`"from":"1767225600123 "`, `"from":"1_767_225_600_123"`),
			with(`"to":"1767226500123"`, `"to":"now"`, `"to":"99999999999999"`),
			with(`"from":"1767225600123",`, ``),
			[]string{
				query(strings.NewReplacer(`"from":"1767225600123"`, `"from":"1700000000000"`,
					`"intervalMs":5000`, `"intervalMs":86400000`).Replace(mean)),
			},
		)...),
		denied("number", slices.Concat(
			with(`"refId":"A"`, `"refId":""`, `"refId":"`+strings.Repeat("A", 65)+`"`, `"refId":"A\n"`),
			[]string{
				query(`{"queries":[],"from":"1","to":"2"}`),
				query(strings.Replace(mean, one, strings.Join(eleven, ","), 1)),
				query(strings.Replace(mean, one, one+","+one, 1)),
				query(strings.Replace(mean, one,
					one+","+strings.Replace(body(otherQuery)[strings.Index(mean, "[")+
						1:strings.Index(body(otherQuery), `],"range"`)], `"A"`, `"B"`, 1), 1)),
				query(strings.Replace(mean, one,
					one+`,{"refId":"B","datasource":{"type":"__expr__","uid":"__expr__"},"type":"math","expression":"$A*2"}`, 1)),
			},
		)...),
		denied("JSON", query(""), query("null"), query("[]"), query("{}"),
			query("{"), query(mean+"x"), query(mean+mean), query("\ufeff"+mean), query(mean[:len(mean)-1]),
			query(strings.Replace(mean, "{", "{/**/", 1)), query(strings.Replace(mean, "},", "},,", 1)),
			query(strings.Replace(mean, `"A"`, "\"A\xff\"", 1)),
			query(strings.Replace(mean, `"A"`, `"\ud800"`, 1)),
			query(strings.Replace(mean, `"A"`, `'A'`, 1)), query(strings.Repeat("[", 20000)),
			query(strings.Repeat(`{"queries":`, 5000)), query("queries[0].query=x")),
		many("too large", 413, false, []string{
			query(mean + strings.Repeat(" ", 65<<10)), query(strings.Repeat("x", 70<<10)),
			chunked(mean + strings.Repeat(" ", 65<<10)),
			post("Content-Length: 9999999999"),
		}),
	)
}

// oddMessages are not quite HTTP.
func oddMessages() []send {
	mean := body(meanQuery)
	hidden := "GET /api/admin/settings HTTP/1.1\r\nHost: x\r\n\r\n"
	return slices.Concat(
		bad("lengths", post("Content-Length: 5", "Content-Length: 6")+"{}   x",
			post("Content-Length: 5, 6")+"{}   x",
			post("Content-Length: +5")+"{}   ",
			post("Content-Length: -1")+"{}",
			post("Content-Length: 0x10")+"{}",
			request("GET", "/public/build/a.js", fmt.Sprintf("Content-Length: %d", len(hidden)))+hidden,
			request("GET", "/public/build/a.js", "Transfer-Encoding: chunked")+"0\r\n\r\n",
			request("GET", solo, "Content-Length: 4")+"GET ",
			post("Transfer-Encoding: chunked")+"zz\r\n{}\r\n0\r\n\r\n"),
		many("transfer encodings", 501, false, []string{
			post("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n",
			post("Transfer-Encoding: xchunked") + "0\r\n\r\n",
		}),
		denied("length and chunks", post("Content-Length: 4", "Transfer-Encoding: chunked")+"0\r\n\r\n"+
			hidden),
		bad("headers", request("GET", "/public/build/a.js", "X Y: 1"),
			request("GET", "/public/build/a.js", "X-A: 1\rX-WEBAUTH-USER: admin"),
			"GET /public/build/a.js HTTP/1.1\r\n\r\n",
			"GET /public/build/a.js HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
			"GET /public/build/a.js HTTP/1.1\r\nHost: a/b\r\n\r\n",
			"GET  /public/build/a.js HTTP/1.1\r\nHost: a\r\n\r\n",
			"GET /public/build/a.js HTTP/1.1 x\r\nHost: a\r\n\r\n", "/public/build/a.js\r\n\r\n",
			"GET /public/build/a.js HTTP/1.1\r\nHost: a\r\n : x\r\n\r\n",
			"G@T /public/build/a.js HTTP/1.1\r\nHost: a\r\n\r\n"),
		many("a body that does not come", 408, false, []string{query(mean)[:len(query(mean))-10]}),
		many("versions", 505, false, []string{"GET /public/build/a.js HTTP/3.0\r\nHost: a\r\n\r\n"}),
		bad("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
		many("too many headers", 431, false,
			[]string{request("GET", "/public/build/a.js", "X-A: "+strings.Repeat("x", 2<<20))}),
		passes("one answer", "GET /public/build/a.js HTTP/1.0\r\n\r\n",
			query(mean)+hidden, request("GET", "/public/build/a.js")+hidden),
	)
}
