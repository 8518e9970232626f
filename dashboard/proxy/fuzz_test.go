package proxy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func newTestProxy(t testing.TB) *Proxy {
	return New(slog.New(slog.DiscardHandler), Config{
		Upstream: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, DashboardUID: "colors", DataSourceUID: "colorstream-influxdb",
	}, nil)
}

// FuzzTarget looks for a request line that passes and should not. The judge works on the bytes of
// the request line, by splitting and comparing, not by expressions on what net/http made of it.
func FuzzTarget(f *testing.F) {
	for _, line := range []string{
		"GET /d-solo/colors/x?orgId=1&panelId=1", "GET /public/build/app.js", "HEAD /public/img/a.svg", "GET /api/dashboards/uid/colors",
		"GET /apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/colors/dto", "POST /api/ds/query", "GET /api/annotations",
		"GET /public/build/../../api/users", "GET /public/build/%2e%2e/x", "GET //login", "GET http://x/public/build/app.js", "GET /public/app/plugins/x",
		"GET /d-solo/colors/x?orgId=1&panelId=1&orgId=2", "GET /d-solo/colors/x?orgId=1;panelId=1", "get /public/build/a", "OPTIONS *", "CONNECT x:1",
	} {
		f.Add(line)
	}
	p := newTestProxy(f)
	f.Fuzz(func(t *testing.T, line string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(line + " HTTP/1.1\r\nHost: page.test\r\n\r\n")))
		if err != nil {
			return
		}
		if strings.ContainsAny(line, "\r\n") {
			return // more than a request line
		}
		if r.Method == http.MethodPost {
			r.Method = http.MethodGet // bodies have their own test; no POST passes without one
		}
		a := p.decide(httptest.NewRecorder(), r)
		if a.rule == nil {
			return
		}
		method, target, _ := strings.Cut(line, " ")
		where, parameters, _ := strings.Cut(target, "?")
		if method != "GET" && method != "HEAD" {
			t.Errorf("%q passes with method %q", line, method)
		}
		if reason := oraclePath(where); reason != "" {
			t.Errorf("%q passes: %s", line, reason)
		}
		if strings.HasPrefix(where, "/d-solo") {
			oracleSolo(t, line, parameters, a.query)
		} else if a.query != "" {
			t.Errorf("%q passes with parameters %q", line, a.query)
		}
	})
}

func oraclePath(path string) string {
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@+=/"
	if strings.Trim(path, safe) != "" {
		return "unusual character"
	}
	segments := strings.Split(path, "/")
	if segments[0] != "" || slices.Contains(segments[1:], "") ||
		slices.Contains(segments, "..") || slices.Contains(segments, ".") {
		return "unusual segment"
	}
	segments = segments[1:]
	like := func(want ...string) bool {
		return slices.EqualFunc(want, segments, func(w, s string) bool { return w == "*" || w == s })
	}
	switch {
	case like("d-solo", "colors"), like("d-solo", "colors", "*"):
	case like("api", "dashboards", "uid", "colors"), like("api", "dashboards", "uid", "colors", "public-dashboards"):
	case like("apis", "dashboard.grafana.app", "*", "namespaces", "default", "dashboards", "colors"),
		like("apis", "dashboard.grafana.app", "*",
			"namespaces", "default", "dashboards", "colors", "dto"):
		if segments[2][0] != 'v' || strings.ContainsAny(segments[2], "./_~@+=-") {
			return "version"
		}
	case len(segments) >= 3 && segments[0] == "public":
		known := []string{"build", "fonts", "img", "locales", "lib", "maps", "gazetteer"}
		plugin := segments[1] == "plugins" || segments[1] == "app" && segments[2] == "plugins"
		if !slices.Contains(known, segments[1]) && !plugin {
			return "folder"
		}
		endings := []string{"/module.js", "/plugin.json", ".svg", ".png", ".gif", ".jpg", ".jpeg", ".webp"}
		if plugin && !slices.ContainsFunc(endings, func(end string) bool { return strings.HasSuffix(path, end) }) {
			return "a plugin's file"
		}
	default:
		return "path"
	}
	return ""
}

func oracleSolo(t *testing.T, line, came, goes string) {
	values, err := url.ParseQuery(goes)
	if err != nil || len(values["orgId"]) != 1 ||
		values["orgId"][0] != "1" || len(values["panelId"]) != 1 ||
		!slices.Contains([]string{"1", "2", "3", "4"}, values["panelId"][0]) {
		t.Errorf("%q passes with parameters %q", line, goes)
	}
	for _, word := range []string{"auth_token", "targetOrgId", "forceLogin", "__feature", "var-", "\x00", "<"} {
		if strings.Contains(goes, word) || strings.Contains(came, word) {
			t.Errorf("%q passes with parameters %q", line, goes)
		}
	}
}

var fuzzTargets = map[string]keys{"mean \"é\"\n|> x()": {"legendFormat": true}, "median": {}}

// FuzzBody looks for a body that passes and should not. The judge reads with encoding/json: both
// what came, where every query must be known whichever of two readings one takes, and what goes up.
func FuzzBody(f *testing.F) {
	one := `{"refId":"A","datasource":{"type":"influxdb","uid":"colorstream-influxdb"},"query":"median","datasourceId":1,"intervalMs":5000,"maxDataPoints":881}`
	for _, seed := range []string{
		`{"queries":[` + one + `],"range":{"from":"x"},"from":"1767225600123","to":"1767226500123"}`,
		`{"queries":[` + one + `,` + strings.Replace(one, `"A"`, `"B"`, 1) + `],"from":"0","to":"1"}`,
		`{"queries":[` + strings.Replace(one, `"median"`,
			`"mean \"\u00e9\"\n|> x()","legendFormat":"y"`, 1) + `],"from":"0","to":"1"}`,
		`{"queries":[` + strings.Replace(one, `"query":`,
			`"Query":"buckets()","query":`, 1) + `],"from":"0","to":"1"}`,
		`{"queries":[` + strings.Replace(one, `"query":`,
			`"query":"buckets()","query":`, 1) + `],"from":"0","to":"1"}`,
		`{"queries":[{"refId":"B","datasource":{"type":"__expr__","uid":"__expr__"},"type":"math","expression":"$A"}],"from":"0","to":"1"}`,
		`{"queries":[],"from":"0","to":"1"}`, `null`, `[]`, ``,
	} {
		f.Add([]byte(seed))
	}
	known := permitted{targets: fuzzTargets}
	f.Fuzz(func(t *testing.T, body []byte) {
		out, empty, err := checkQuery(body, "colorstream-influxdb", known)
		if err != nil {
			return
		}
		again, emptyToo, err := checkQuery(out, "colorstream-influxdb", known)
		if err != nil || empty+emptyToo != "" {
			t.Fatalf("what goes up is refused when it comes: %v\n%s", err, out)
		}
		if diff := cmp.Diff(string(out), string(again)); diff != "" {
			t.Errorf("what goes up changes when it comes again:\n%s", diff)
		}
		if !json.Valid(body) {
			t.Errorf("not JSON: %q", body)
		}
		judgeCame(t, body)
		judgeGoes(t, out)
	})
}

// judgeCame walks through every token of a body: no name may come twice in an object, in any case,
// and no text that is not known may stand under the name of a query.
func judgeCame(t *testing.T, body []byte) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var walk func(path string)
	walk = func(path string) {
		token, err := decoder.Token()
		if err != nil {
			t.Fatalf("%v in %q", err, body)
		}
		switch token {
		case json.Delim('{'):
			names := make(map[string]bool)
			for decoder.More() {
				name, err := decoder.Token()
				if err != nil {
					t.Fatalf("%v in %q", err, body)
				}
				text := fmt.Sprint(name)
				if names[text] {
					t.Errorf("%q comes twice in %q", text, body)
				}
				names[text] = true
				walk(path + "/" + text)
			}
			_, _ = decoder.Token()
		case json.Delim('['):
			for decoder.More() {
				walk(path + "/*")
			}
			_, _ = decoder.Token()
		default:
			if path == "/queries/*/query" && fuzzTargets[fmt.Sprint(token)] == nil {
				t.Errorf("query %q passes in %q", token, body)
			}
			if lower := strings.ToLower(path); path != lower &&
				strings.HasSuffix(lower, "/query") && strings.HasPrefix(path, "/queries/*") {
				t.Errorf("%q passes in %q", path, body)
			}
			if path == "/queries/*/datasource/uid" && token != "colorstream-influxdb" {
				t.Errorf("data source %q passes in %q", token, body)
			}
		}
	}
	walk("")
}

func judgeGoes(t *testing.T, out []byte) {
	var goes struct {
		Queries []struct {
			RefID                     string
			DataSource                map[string]string
			Query                     string
			IntervalMs, MaxDataPoints int64
		}
		From, To string
	}
	decoder := json.NewDecoder(bytes.NewReader(out))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&goes); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	var from, to int64
	if n, err := fmt.Sscan(goes.From+" "+goes.To, &from, &to); n != 2 || err != nil {
		t.Fatalf("times in %s: %v", out, err)
	}
	if to <= from || time.Duration(to-from) > 400*24*time.Hour/time.Millisecond {
		t.Errorf("range in %s", out)
	}
	if len(goes.Queries) < 1 || len(goes.Queries) > 10 {
		t.Errorf("%d queries in %s", len(goes.Queries), out)
	}
	for _, q := range goes.Queries {
		want := map[string]string{"type": "influxdb", "uid": "colorstream-influxdb"}
		if fuzzTargets[q.Query] == nil || !cmp.Equal(q.DataSource, want) || q.RefID == "" {
			t.Errorf("query %+v in %s", q, out)
		}
		if q.IntervalMs < 1 || (to-from)/q.IntervalMs > 12000 ||
			q.MaxDataPoints < 1 || q.MaxDataPoints > 12000 {
			t.Errorf("bounds of %+v in %s", q, out)
		}
	}
}
