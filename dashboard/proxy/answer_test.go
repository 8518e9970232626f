package proxy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"colorstream/dashboard/proxy"
)

// fetch asks a page as a browser would, without following redirects.
func fetch(t testing.TB, p *page, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	response, text, err := try(t, p, method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

func try(t testing.TB, p *page, method, path, body string, header ...string) (*http.Response, string, error) {
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
			t.Errorf("%s: informational answer %d %v", path, code, header)
			return nil
		},
	})
	request, err := http.NewRequestWithContext(ctx, method, p.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		request.Header.Set(name, value)
	}
	response, err := p.Client().Transport.RoundTrip(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response, string(text), err
}

// Whatever Grafana answers, only the listed headers come down, and ours are set.
func TestAnswerHeaders(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		early := w.Header()
		early.Set("Link", "</x>; rel=preload")
		early.Set("Set-Cookie", "early=1")
		w.WriteHeader(http.StatusEarlyHints)
		early.Del("Link")
		early.Del("Set-Cookie")
		for _, line := range []string{
			"Set-Cookie: grafana_session=1", "X-Frame-Options: deny", "Content-Security-Policy: default-src 'none'", "Www-Authenticate: Basic",
			"Location: /login", "Refresh: 0; url=/login", "Clear-Site-Data: \"*\"", "Access-Control-Allow-Origin: *", "Link: </x>", "X-Grafana-Id: x",
			"Strict-Transport-Security: max-age=1", "Alt-Svc: h3=\":1\"", "Service-Worker-Allowed: /", "Server: x", "Sourcemap: x",
			"Cache-Control: no-store", "Content-Type: text/html; charset=UTF-8", "Etag: \"1\"", "Trailer: X-Late, Set-Cookie",
		} {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, "<!doctype html>")
		w.Header().Set("X-Late", "1")
		w.Header().Set("Set-Cookie", "late=1")
	}
	p := newPage(t, g.URL, nil)
	for _, target := range []string{solo, "/public/build/app.js", "/public/img/x.svg", "/api/dashboards/uid/colors"} {
		response, text := fetch(t, p, "GET", target, "")
		if target == solo {
			response.Header.Set("Etag", `"1"`) // removed with a reason
		}
		response.Header.Del("Date")
		response.Header.Del("Content-Length")
		want := http.Header{
			"Cache-Control": {"no-store"}, "Content-Type": {"text/html; charset=UTF-8"}, "Etag": {`"1"`},
			"Content-Security-Policy": {"frame-ancestors 'self'"}, "X-Content-Type-Options": {"nosniff"}, "Referrer-Policy": {"same-origin"},
		}
		if diff := cmp.Diff(want, response.Header); diff != "" ||
			text != "<!doctype html>" || len(response.Trailer) > 0 {
			t.Errorf("%s: body %q, trailer %v, headers (-want +got):\n%s",
				target, text, response.Trailer, diff)
		}
	}
}

func TestRedirectsStayHere(t *testing.T) {
	t.Parallel()
	for _, location := range []string{"/login", "http://evil.test/", "//evil.test", "/public/build/app.js", solo} {
		for _, code := range []int{301, 302, 303, 307, 308, 300} {
			g := newGrafana(t)
			g.answer = func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Location", location)
				w.WriteHeader(code)
			}
			p := newPage(t, g.URL, nil)
			for _, target := range []string{solo, "/public/build/app.js"} {
				response, text := fetch(t, p, "GET", target, "")
				if response.StatusCode != 502 || response.Header.Get("Location") != "" ||
					!strings.Contains(text, "redirect") {
					t.Errorf("%d to %s: answer %d %q", code, location, response.StatusCode, text)
				}
			}
			p.stop()
		}
	}
}

func TestUpgradeAnswerIsRefused(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
	}
	p := newPage(t, g.URL, nil)
	if response, text := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 ||
		strings.Contains(text, "hello") {
		t.Errorf("answer %d %q", response.StatusCode, text)
	}
}

func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	g.answer = func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		w.Header().Set("Cache-Control", "public, max-age=60")
		_, _ = io.WriteString(w, "all")
	}
	p := newPage(t, g.URL, nil)
	for _, header := range []string{"Accept: */*", `If-None-Match: "1"`} {
		response, _ := fetch(t, p, "GET", "/public/build/app.js", "", header)
		if want := map[bool]int{true: 304, false: 200}[strings.HasPrefix(header, "If")]; response.StatusCode != want {
			t.Errorf("with %s: answer %d, want %d", header, response.StatusCode, want)
		}
	}
}

// Queries of the dashboard's variables and annotations are answered here, with nothing, whatever
// stands for the variables in them; not together with others.
func TestUnneededQueries(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, nil)
	for _, text := range []string{"b =~ /(?i)/\n  ", "b =~ /(?i)red/\n x\ny z", "object", "incomplete windows", "old style"} {
		for _, posted := range []string{body(text), `{"queries":[{"refId":"A","datasource":` + source + `,"query":` + quote(text) + `}]}`} {
			response, answer := fetch(t, p, "POST", "/api/ds/query", posted)
			if want := `{"results":{"A":{"frames":[],"status":200}}}`; response.StatusCode != 200 ||
				answer != want {
				t.Errorf("%q: answer %d %s", text, response.StatusCode, answer)
			}
		}
	}
	for _, text := range []string{"b =~ /(?i)", "x b =~ /(?i)/\n  ", "object ", "", "incomplete windows|> drop()"} {
		if response, _ := fetch(t, p, "POST", "/api/ds/query", body(text)); response.StatusCode != 403 {
			t.Errorf("%q: answer %d", text, response.StatusCode)
		}
	}
	both := strings.Replace(body(meanQuery), `"queries":[`, `"queries":[{"refId":"B","datasource":`+source+`,"query":"object","intervalMs":5000,"maxDataPoints":9},`, 1)
	if response, _ := fetch(t, p, "POST", "/api/ds/query", both); response.StatusCode != 403 {
		t.Errorf("together with another: answer %d", response.StatusCode)
	}
	if seen, _ := g.record(); len(seen) > 0 {
		t.Errorf("Grafana was asked %q", seen)
	}
}

func quote(text string) string {
	data, err := json.Marshal(text)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// The panel's document says that there is no Live, so that Grafana's scripts do not try its WebSocket
// again and again. Under a path prefix it names that; one that has no such place is not shown.
func TestPrefix(t *testing.T) {
	t.Parallel()
	const document = `<base href="/" /><script src="public/build/a.js"></script>{"appSubUrl":"","liveEnabled":true}`
	for _, c := range []struct {
		prefix, document, want string
		status                 int
	}{
		{"", document, strings.Replace(document, "true", "false", 1), 200},
		{"/colors", document, `<base href="/colors/" /><script src="public/build/a.js"></script>{"appSubUrl":"/colors","liveEnabled":false}`, 200},
		{"/a/b", document, `<base href="/a/b/" /><script src="public/build/a.js"></script>{"appSubUrl":"/a/b","liveEnabled":false}`, 200},
		{"/colors", `<base href="/grafana/" />{"appSubUrl":"/grafana"}`, "", 502},
		{"/colors", `<base href="/" />`, "", 502},
		{"/colors", document + document, "", 502},
		{`/"><script>`, document, "", 502},
		{"//evil.test", document, "", 502},
	} {
		g := newGrafana(t)
		g.answer = func(w http.ResponseWriter, r *http.Request) {
			if encoding := r.Header.Get("Accept-Encoding"); encoding != "" {
				t.Errorf("the document is asked for in the encoding %q", encoding)
			}
			w.Header().Set("Etag", `"1"`)
			_, _ = io.WriteString(w, c.document)
		}
		p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Prefix = func(*http.Request) string { return c.prefix } })
		response, text := fetch(t, p, "GET", solo, "", "Accept-Encoding: gzip")
		if etag := response.Header.Get("Etag"); etag != "" {
			t.Errorf("Grafana's Etag %s comes with another document", etag)
		}
		if response.StatusCode != c.status || c.status == 200 &&
			(text != c.want || response.ContentLength != int64(len(c.want))) || c.status != 200 && !strings.Contains(text, "prefix") {
			t.Errorf("%q: answer %d %s", c.prefix, response.StatusCode, text)
		}
		p.stop()
	}
}

// The page takes the prefix off the path, but the server's request target still has it. Nothing
// else may differ.
func TestPrefixedTargets(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, func(cfg *proxy.Config) { cfg.Prefix = func(*http.Request) string { return "/colors" } })
	p.Config.Handler = http.StripPrefix("/colors", p.Proxy)
	for target, want := range map[string]int{
		"/colors/public/build/a.js": 200, "/colors/api/admin/settings": 404, "/colors/public/build/%2e%2e/a.js": 400,
		"/colors/public/build/../a.js": 400, "/public/build/a.js": 404, "/colors//public/build/a.js": 400, "/colors/%70ublic/build/a.js": 400,
	} {
		if status := talk(t, p.Listener.Addr().String(), request("GET", target)); status != want {
			t.Errorf("%s: answer %d, want %d", target, status, want)
		}
	}
}

// What is answered here has the form that Grafana's scripts read.
func TestLocalAnswers(t *testing.T) {
	t.Parallel()
	p := newPage(t, newGrafana(t).URL, nil)
	response, text := fetch(t, p, "GET", "/api/annotations?from=1", "")
	if text != "[]" || response.Header.Get("Content-Type") != "application/json" {
		t.Errorf("annotations: %q, %v", text, response.Header)
	}
	_, text = fetch(t, p, "GET", "/api/prometheus/grafana/api/v1/rules", "")
	if text != `{"status":"success","data":{"groups":[]}}` {
		t.Errorf("rules: %q", text)
	}
	response, text = fetch(t, p, "GET", "/api/users", "")
	var message struct{ Message string }
	if err := json.Unmarshal([]byte(text), &message); err != nil || message.Message != "not found" {
		t.Errorf("an error of the API: %q", text)
	}
	if kind := response.Header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("an error of the API: Content-Type %q", kind)
	}
	if csp := response.Header.Get("Content-Security-Policy"); csp != "frame-ancestors 'self'" {
		t.Errorf("Content-Security-Policy %q", csp)
	}
	response, text = fetch(t, p, "GET", "/nothing/<script>"[:8], "")
	if response.StatusCode != 404 || text != "not found\n" ||
		response.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("an error elsewhere: %d %q %v", response.StatusCode, text, response.Header)
	}
}

// What goes up for a query is what was checked, and nothing else.
func TestCanonicalQuery(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	p := newPage(t, g.URL, nil)
	response, text := fetch(t, p, "POST", "/api/ds/query?requestId=Q1", body(medianQuery))
	if response.StatusCode != 200 {
		t.Fatalf("answer %d %s", response.StatusCode, text)
	}
	want := `{"queries":[{"refId":"A","datasource":` + source + `,"query":` + strings.ReplaceAll(quote(medianQuery), `\u003e`, ">") +
		`,"intervalMs":5000,"maxDataPoints":881}],"from":"1767225600123","to":"1767226500123"}`
	if _, bodies := g.record(); len(bodies) != 1 || bodies[0] != want {
		t.Errorf("bodies that went up:\n%s\nwant\n%s", bodies, want)
	}
}

// Grafana sees the browser's host.
func TestHostGoesUp(t *testing.T) {
	t.Parallel()
	g := newGrafana(t)
	hosts := make(chan string, 1)
	g.answer = func(_ http.ResponseWriter, r *http.Request) { hosts <- r.Host }
	p := newPage(t, g.URL, nil)
	for _, target := range []string{solo, "/public/build/a.js"} {
		talk(t, p.Listener.Addr().String(), request("GET", target))
		if host := <-hosts; host != "page.test:8050" {
			t.Errorf("%s: Grafana sees host %q", target, host)
		}
	}
}
