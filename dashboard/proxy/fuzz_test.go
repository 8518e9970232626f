package proxy_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colorstream/dashboard/proxy"
)

// FuzzTarget looks for a request line that passes and should not. The judge works on the bytes of
// the request line, by splitting and comparing, not by expressions on what net/http made of it.
func FuzzTarget(f *testing.F) {
	for _, line := range []string{
		"GET /d-solo/colors/x?orgId=1&panelId=1", "GET /public/build/app.js", "HEAD /public/img/a.svg",
		"GET /api/dashboards/uid/colors",
		"GET /apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/colors/dto",
		"POST /api/ds/query", "GET /api/annotations", "GET /public/build/../../api/users",
		"GET /public/build/%2e%2e/x", "GET //login", "GET http://x/public/build/app.js",
		"GET /public/app/plugins/x", "GET /d-solo/colors/x?orgId=1&panelId=1&orgId=2",
		"GET /d-solo/colors/x?orgId=1;panelId=1", "get /public/build/a", "OPTIONS *", "CONNECT x:1",
	} {
		f.Add(line)
	}
	p := proxy.New(slog.New(slog.DiscardHandler), proxy.Config{
		Upstream: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, DashboardUID: "colors",
		DataSourceUID: "colorstream-influxdb",
		Prefix:        func(*http.Request) string { return "" },
	}, nil)
	f.Fuzz(func(t *testing.T, line string) {
		r, err := http.ReadRequest(bufio.NewReader(
			strings.NewReader(line + " HTTP/1.1\r\nHost: page.test\r\n\r\n")))
		if err != nil {
			return
		}
		if strings.ContainsAny(line, "\r\n") {
			return // more than a request line
		}
		if r.Method == http.MethodPost {
			r.Method = http.MethodGet // bodies have their own test; no POST passes without one
		}
		passes, parameters := p.Judge(r)
		if !passes {
			return
		}
		method, target, _ := strings.Cut(line, " ")
		where, _, _ := strings.Cut(target, "?")
		if parameters != "" {
			where += "?" + parameters
		}
		if reason := forbiddenTarget(method, where); reason != "" {
			t.Errorf("%q passes as %q: %s", line, where, reason)
		}
	})
}

var fuzzTargets = map[string]bool{"mean \"é\"\n|> x()": true, "median": true}

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
	known := slices.Collect(maps.Keys(fuzzTargets))
	f.Fuzz(func(t *testing.T, body []byte) {
		out, empty, err := proxy.CheckBody(body, fuzzTargets)
		if err != nil {
			return
		}
		again, emptyToo, err := proxy.CheckBody(out, fuzzTargets)
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
		if reason := forbiddenBody(out, known); reason != "" {
			t.Errorf("%s goes up: %s", out, reason)
		}
	})
}

// judgeCame walks through every token of a body: no name may come twice in an object, and no text
// that is not known may stand under the name of a query.
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
			if path == "/queries/*/query" && !fuzzTargets[fmt.Sprint(token)] {
				t.Errorf("query %q passes in %q", token, body)
			}
			if path == "/queries/*/datasource/uid" && token != "colorstream-influxdb" {
				t.Errorf("data source %q passes in %q", token, body)
			}
		}
	}
	walk("")
}
