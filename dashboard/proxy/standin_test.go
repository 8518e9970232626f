package proxy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/dashboard/proxy"
	"colorstream/generator/service/servicetest"
)

// The queries of the stand-in's dashboard, and of a panel of it that is not to be shown.
const (
	meanQuery   = "from(bucket: \"color_data\")\n  |> range(start: v.timeRangeStart, stop: v.timeRangeStop) // mean <&> \"é\""
	medianQuery = `from(bucket: "color_data") |> range(start: v.timeRangeStart) // median`
	otherQuery  = `from(bucket: "color_data") |> range(start: 0) // panel 9`
)

const source = `{"type":"influxdb","uid":"colorstream-influxdb"}`

// dashboard is JSON as Grafana serves it.
func dashboard(version int, mean string) string {
	target := func(refID, query string) string {
		return `{"refId":"` + refID + `","datasource":` + source + `,"legendFormat":"x","query":` +
			quote(query) + `}`
	}
	return fmt.Sprintf(`{"meta":{"slug":"colors"},"dashboard":{"uid":"colors","version":%d,"panels":[
		{"id":1,"datasource":%s,"targets":[%s]},
		{"id":7,"type":"row","collapsed":true,"panels":[{"id":2,"datasource":%s,"targets":[%s]}]},
		{"id":3,"datasource":{"type":"influxdb","uid":"another"},"targets":[{"refId":"A","query":"another source"}]},
		{"id":4,"datasource":null,"targets":[{"refId":"A","datasource":{"type":"__expr__","uid":"__expr__"},"query":"$A*2"}]},
		{"id":9,"datasource":%s,"targets":[%s]}
	],
	"templating":{"list":[{"name":"a","type":"textbox","query":""},{"name":"b","type":"query","query":"b =~ /(?i)${a:raw}/\n $a [[a]]"},
		{"name":"c","type":"query","query":{"query":"object","refId":"x"}}]},
	"annotations":{"list":[{"builtIn":1,"target":{"type":"dashboard"}},{"target":{"refId":"Anno","query":"incomplete windows"}},{"query":"old style"}]}}}`, version, source, target("A", mean), source, target("B", medianQuery), source, target("A", otherQuery))
}

// A grafana is a stand-in that answers what Grafana would, records what reaches it, and fails the
// test if that is something that must not.
type grafana struct {
	*httptest.Server
	t testing.TB

	mu        sync.Mutex
	dashboard string
	queries   []string // those that may be asked
	// "METHOD http://host/path?query" of everything but the proxy's own looks at the dashboard
	seen   []string
	bodies []string         // of the queries
	answer http.HandlerFunc // instead of the usual answers, if set; not for looks; never changed
}

// set changes the stand-in while it runs.
func (g *grafana) set(change func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change()
}

// record returns what has come since the last call.
func (g *grafana) record() (seen, bodies []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	seen, bodies = g.seen, g.bodies
	g.seen, g.bodies = nil, nil
	return seen, bodies
}

func (g *grafana) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		body = nil
	}
	g.mu.Lock()
	look := r.Header.Get("User-Agent") == "colorstream-dashboard" &&
		r.URL.Path == "/api/dashboards/uid/colors"
	if !look {
		g.seen = append(g.seen, r.Method+" http://"+r.Host+r.RequestURI)
	}
	if r.Method == http.MethodPost {
		g.bodies = append(g.bodies, string(body))
	}
	board, queries := g.dashboard, g.queries
	g.mu.Unlock()

	if reason := forbidden(r, body, queries); reason != "" {
		g.t.Errorf("a forbidden request reached Grafana: %s %s: %s\nheader %v\nbody %q",
			r.Method, r.RequestURI, reason, r.Header, body)
	}
	if g.answer != nil && !look {
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		g.answer(w, r)
		return
	}
	w.Header().Set("Set-Cookie", "grafana_session=1")
	w.Header().Set("X-Frame-Options", "deny")
	switch {
	case r.URL.Path == "/api/dashboards/uid/colors" && board == "":
		http.Error(w, `{"message":"Dashboard not found"}`, http.StatusNotFound)
	case r.URL.Path == "/api/dashboards/uid/colors":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, board)
	case strings.HasPrefix(r.URL.Path, "/public/build/"):
		w.Header().Set("Cache-Control", "public, max-age=31536000")
		_, _ = io.WriteString(w, "asset "+r.URL.Path)
	default:
		_, _ = fmt.Fprintf(w, "Grafana answers %s %s", r.Method, r.URL.Path)
	}
}

// forbidden is an opinion on what may reach Grafana that shares nothing with the proxy's. It
// returns "" if the request may.
func forbidden(r *http.Request, body []byte, queries []string) string {
	for name := range r.Header {
		if !slices.Contains([]string{
			"Accept", "Accept-Encoding", "Accept-Language", "Content-Length", "Content-Type",
			"If-Modified-Since", "If-None-Match", "If-Range", "Range", "User-Agent",
		}, name) {
			return "header " + name
		}
	}
	if len(r.TransferEncoding) > 0 || r.Method != http.MethodPost && len(body) > 0 {
		return "body"
	}
	if reason := forbiddenTarget(r.Method, r.RequestURI); reason != "" {
		return reason
	}
	if r.Method == http.MethodPost {
		return forbiddenBody(body, queries)
	}
	return ""
}

// forbiddenTarget judges a request line.
func forbiddenTarget(method, target string) string {
	where, query, _ := strings.Cut(target, "?")
	const safe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@+=/"
	if odd := strings.Trim(where, safe); odd != "" {
		return fmt.Sprintf("%q in the path", odd)
	}
	if path.Clean(where) != where {
		return "path is not clean"
	}
	parts := strings.Split(where, "/")[1:]
	has := func(prefix ...string) bool {
		return len(parts) >= len(prefix) && slices.Equal(parts[:len(prefix)], prefix)
	}
	solo := has("d-solo", "colors") && len(parts) <= 3 && method == "GET"
	if solo {
		return forbiddenSolo(query)
	}
	if query != "" {
		return "parameters"
	}
	switch {
	case has("public") && len(parts) >= 3 && (method == "GET" || method == "HEAD"):
		folders := []string{"build", "fonts", "img", "locales", "lib", "maps", "gazetteer"}
		plugin := has("public", "plugins") || has("public", "app", "plugins")
		file := parts[len(parts)-1]
		images := []string{".svg", ".png", ".gif", ".jpg", ".jpeg", ".webp"}
		if slices.Contains(folders, parts[1]) ||
			plugin && (file == "module.js" || file == "plugin.json" ||
				slices.Contains(images, path.Ext(file))) {
			return ""
		}
	case method == "POST" && where == "/api/ds/query":
		return ""
	case method == "GET" && has("api", "dashboards", "uid", "colors"):
		if len(parts) == 4 || len(parts) == 5 && parts[4] == "public-dashboards" {
			return ""
		}
	case method == "GET" && has("apis", "dashboard.grafana.app") && len(parts) >= 7:
		version, rest := parts[2], strings.Join(parts[3:], "/")
		if strings.HasPrefix(version, "v") && !strings.ContainsAny(version, "._~@+=-") &&
			(rest == "namespaces/default/dashboards/colors" ||
				rest == "namespaces/default/dashboards/colors/dto") {
			return ""
		}
	}
	return "path"
}

func forbiddenSolo(query string) string {
	values, err := url.ParseQuery(query)
	if err != nil {
		return "parameters"
	}
	for name, value := range values {
		known := []string{
			"orgId", "panelId", "from", "to", "refresh", "theme", "hideLogo", "timezone",
			"tz",
		}
		if len(value) != 1 || !slices.Contains(known, name) || len(value[0]) > 64 ||
			strings.ContainsAny(value[0], "\x00<>\"' \r\n") {
			return "parameter " + name
		}
	}
	if values.Get("orgId") != "1" ||
		!slices.Contains([]string{"1", "2", "3", "4"}, values.Get("panelId")) {
		return "organisation or panel"
	}
	return ""
}

// forbiddenBody judges the body of a data query as the loosest reader would take it.
func forbiddenBody(body []byte, queries []string) string {
	var all map[string]any
	if err := json.Unmarshal(body, &all); err != nil {
		return err.Error()
	}
	if len(all) != 3 {
		return "keys of the body"
	}
	var from, to int64
	if _, err := fmt.Sscan(fmt.Sprint(all["from"]), &from); err != nil {
		return "from"
	}
	if _, err := fmt.Sscan(fmt.Sprint(all["to"]), &to); err != nil {
		return "to"
	}
	if to <= from || to-from > 400*86400*1000 {
		return "time range"
	}
	list, ok := all["queries"].([]any)
	if !ok || len(list) == 0 || len(list) > 10 {
		return "queries"
	}
	for _, each := range list {
		query, ok := each.(map[string]any)
		if !ok || len(query) != 5 {
			return "keys of a query"
		}
		if text, ok := query["query"].(string); !ok || !slices.Contains(queries, text) {
			return "query text"
		}
		its, ok := query["datasource"].(map[string]any)
		if !ok || len(its) != 2 || its["type"] != "influxdb" || its["uid"] != "colorstream-influxdb" {
			return "data source"
		}
		interval, _ := query["intervalMs"].(float64)
		points, _ := query["maxDataPoints"].(float64)
		if refID, _ := query["refId"].(string); refID == "" ||
			interval < 1 || float64(to-from)/interval > 12000 || points < 1 || points > 12000 {
			return "bounds"
		}
	}
	return ""
}

// A page is a running proxy in front of a Grafana.
type page struct {
	*httptest.Server
	*proxy.Proxy
	registry *prometheus.Registry
	stop     func() // ends Run and waits
}

// start starts a Grafana, which gives its usual answers unless others are given, and a proxy in
// front of it that has looked at the dashboard.
func start(t testing.TB, answer http.HandlerFunc, change func(*proxy.Config)) (*grafana, *page) {
	t.Helper()
	g := &grafana{
		t: t, dashboard: dashboard(1, meanQuery), queries: []string{meanQuery, medianQuery},
		answer: answer,
	}
	g.Server = httptest.NewServer(g)
	t.Cleanup(g.Close)
	p := newPageAway(t, g.URL, change)
	servicetest.Eventually(t, "the dashboard is seen", p.available)
	return g, p
}

func (p *page) available() bool {
	panels, _ := p.Panels()
	return panels != nil
}

func newPageAway(t testing.TB, upstream string, change func(*proxy.Config)) *page {
	t.Helper()
	address, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	cfg := proxy.Config{
		Upstream: address, DashboardUID: "colors", DataSourceUID: "colorstream-influxdb",
		Prefix: func(*http.Request) string { return "" },
	}
	if change != nil {
		change(&cfg)
	}
	registry := prometheus.NewRegistry()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	handler := proxy.New(log, cfg, registry)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := handler.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	p := &page{Server: httptest.NewServer(handler), Proxy: handler, registry: registry}
	p.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(func() { p.stop(); p.CloseClientConnections(); p.Close() })
	return p
}

// body makes the body of a data query for the last quarter of an hour, as Grafana 9.4 posts it.
func body(query string) string {
	return `{"queries":[{"refId":"A","datasource":` + source + `,"query":` + quote(query) +
		`,"datasourceId":1,"intervalMs":5000,"maxDataPoints":881}],` +
		`"range":{"from":"2026-01-01T00:00:00.000Z","to":"2026-01-01T00:15:00.000Z","raw":{"from":"now-15m","to":"now"}},` +
		`"from":"1767225600123","to":"1767226500123"}`
}
