package proxy_test

import (
	"encoding/json"
	"fmt"
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
func fetch(
	t testing.TB, p *page, method, path, body string, header ...string,
) (*http.Response, string) {
	t.Helper()
	response, text, err := try(t, p, method, path, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return response, text
}

func try(
	t testing.TB, p *page, method, path, body string, header ...string,
) (*http.Response, string, error) {
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
	_, p := start(t, func(w http.ResponseWriter, _ *http.Request) {
		early := w.Header()
		early.Set("Link", "</x>; rel=preload")
		early.Set("Set-Cookie", "early=1")
		w.WriteHeader(http.StatusEarlyHints)
		early.Del("Link")
		early.Del("Set-Cookie")
		for _, line := range []string{
			"Set-Cookie: grafana_session=1", "X-Frame-Options: deny",
			"Content-Security-Policy: default-src 'none'", "Www-Authenticate: Basic", "Location: /login",
			"Refresh: 0; url=/login", "Clear-Site-Data: \"*\"", "Access-Control-Allow-Origin: *",
			"Link: </x>", "X-Grafana-Id: x", "Strict-Transport-Security: max-age=1", "Alt-Svc: h3=\":1\"",
			"Service-Worker-Allowed: /", "Server: x", "Sourcemap: x", "Cache-Control: no-store",
			"Content-Type: text/html; charset=UTF-8", "Etag: \"1\"", "Trailer: X-Late, Set-Cookie",
		} {
			name, value, _ := strings.Cut(line, ": ")
			w.Header().Set(name, value)
		}
		_, _ = io.WriteString(w, "<!doctype html>")
		w.Header().Set("X-Late", "1")
		w.Header().Set("Set-Cookie", "late=1")
	}, nil)
	for _, target := range []string{
		solo, "/public/build/app.js", "/public/img/x.svg",
		"/api/dashboards/uid/colors",
	} {
		response, text := fetch(t, p, "GET", target, "")
		if target == solo {
			response.Header.Set("Etag", `"1"`) // removed with a reason
		}
		response.Header.Del("Date")
		response.Header.Del("Content-Length")
		want := http.Header{
			"Cache-Control": {"no-store"}, "Content-Type": {"text/html; charset=UTF-8"}, "Etag": {`"1"`},
			"Content-Security-Policy": {"frame-ancestors 'self'"}, "X-Content-Type-Options": {"nosniff"},
			"Referrer-Policy": {"same-origin"},
		}
		if diff := cmp.Diff(want, response.Header); diff != "" ||
			text != "<!doctype html>" || len(response.Trailer) > 0 {
			t.Errorf("%s: body %q, trailer %v, headers (-want +got):\n%s",
				target, text, response.Trailer, diff)
		}
	}
}

// Grafana answers with the code and to the place that stand in Accept.
func TestRedirectsStayHere(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(w http.ResponseWriter, r *http.Request) {
		code, location := 0, ""
		if _, err := fmt.Sscan(r.Header.Get("Accept"), &code, &location); err != nil {
			t.Error(err)
		}
		w.Header().Set("Location", location)
		w.WriteHeader(code)
	}, nil)
	for _, location := range []string{
		"/login", "http://evil.test/", "//evil.test",
		"/public/build/app.js", solo,
	} {
		for _, code := range []int{301, 302, 303, 307, 308, 300} {
			for _, target := range []string{solo, "/public/build/app.js"} {
				response, text := fetch(t, p, "GET", target, "", fmt.Sprint("Accept: ", code, " ", location))
				if response.StatusCode != 502 || response.Header.Get("Location") != "" ||
					!strings.Contains(text, "redirect") {
					t.Errorf("%d to %s: answer %d %q", code, location, response.StatusCode, text)
				}
			}
		}
	}
}

func TestUpgradeAnswerIsRefused(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello")
	}, nil)
	if response, text := fetch(t, p, "GET", solo, ""); response.StatusCode != 502 ||
		strings.Contains(text, "hello") {
		t.Errorf("answer %d %q", response.StatusCode, text)
	}
}

func TestConditionalRequests(t *testing.T) {
	t.Parallel()
	_, p := start(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		if r.Header.Get("If-None-Match") == `"1"` {
			w.WriteHeader(http.StatusNotModified)
		}
	}, nil)
	for header, want := range map[string]int{"Accept: */*": 200, `If-None-Match: "1"`: 304} {
		if response, _ := fetch(t, p, "GET", "/public/build/app.js", "", header); response.StatusCode != want {
			t.Errorf("with %s: answer %d, want %d", header, response.StatusCode, want)
		}
	}
}

// Queries of the dashboard's variables and annotations are answered here, with nothing, whatever
// stands for the variables in them; not together with others.
func TestUnneededQueries(t *testing.T) {
	t.Parallel()
	g, p := start(t, nil, nil)
	want := func(posted string, status int, want string) {
		t.Helper()
		response, answer := fetch(t, p, "POST", "/api/ds/query", posted)
		if response.StatusCode != status || !strings.Contains(answer, want) {
			t.Errorf("%s: answer %d %s", posted, response.StatusCode, answer)
		}
	}
	const nothing = `{"results":{"A":{"frames":[],"status":200}}}`
	for _, text := range []string{
		"b =~ /(?i)/\n  ", "b =~ /(?i)red/\n x\ny z", "object",
		"incomplete windows", "old style",
	} {
		want(body(text), 200, nothing)
		want(`{"queries":[{"refId":"A","datasource":`+source+`,"query":`+quote(text)+`}]}`, 200, nothing)
	}
	for _, text := range []string{
		"b =~ /(?i)", "x b =~ /(?i)/\n  ", "object ", "",
		"incomplete windows|> drop()",
	} {
		want(body(text), 403, "not one of the dashboard's")
	}
	want(strings.Replace(body(meanQuery), `"queries":[`,
		`"queries":[{"refId":"B","datasource":`+source+
			`,"query":"object","intervalMs":5000,"maxDataPoints":9},`, 1), 403, "not one of the dashboard's")
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

// under makes a proxy be under a path prefix.
func under(prefix string) func(*proxy.Config) {
	return func(cfg *proxy.Config) { cfg.Prefix = func(*http.Request) string { return prefix } }
}

// The panel's document says that there is no Live, so that Grafana's scripts do not try its
// WebSocket again and again. Under a path prefix it names that; one that has no such place is not
// shown.
func TestPrefix(t *testing.T) {
	t.Parallel()
	const (
		document = `<base href="/" /><script src="public/build/a.js"></script>{"appSubUrl":"","liveEnabled":true}`
		adapted  = `<base href="%s/" /><script src="public/build/a.js"></script>{"appSubUrl":"%[1]s","liveEnabled":false}`
	)
	check := func(prefix, document, want string, status int) {
		t.Helper()
		_, p := start(t, func(w http.ResponseWriter, r *http.Request) {
			if encoding := r.Header.Get("Accept-Encoding"); encoding != "" {
				t.Errorf("the document is asked for in the encoding %q", encoding)
			}
			w.Header().Set("Etag", `"1"`)
			_, _ = io.WriteString(w, document)
		}, under(prefix))
		response, text := fetch(t, p, "GET", solo, "", "Accept-Encoding: gzip")
		if etag := response.Header.Get("Etag"); etag != "" {
			t.Errorf("Grafana's Etag %s comes with another document", etag)
		}
		if response.StatusCode != status || !strings.Contains(text, want) ||
			status == 200 && (text != want || response.ContentLength != int64(len(want))) {
			t.Errorf("%q: answer %d %s", prefix, response.StatusCode, text)
		}
		p.stop()
	}
	for _, prefix := range []string{"", "/colors", "/a/b"} {
		check(prefix, document, fmt.Sprintf(adapted, prefix), 200)
	}
	check("/colors", `<base href="/grafana/" />{"appSubUrl":"/grafana"}`, "prefix", 502)
	check("/colors", `<base href="/" />`, "prefix", 502)
	check("/colors", document+document, "prefix", 502)
	check(`/"><script>`, document, "prefix", 502)
	check("//evil.test", document, "prefix", 502)
}

// The page takes the prefix off the path, but the server's request target still has it. Nothing
// else may differ.
func TestPrefixedTargets(t *testing.T) {
	t.Parallel()
	_, p := start(t, nil, under("/colors"))
	p.Config.Handler = http.StripPrefix("/colors", p.Proxy)
	for target, want := range map[string]int{
		"/colors/public/build/a.js": 200, "/colors/api/admin/settings": 404,
		"/colors/public/build/%2e%2e/a.js": 400,
		"/colors/public/build/../a.js":     400, "/public/build/a.js": 404,
		"/colors//public/build/a.js":  400,
		"/colors/%70ublic/build/a.js": 400,
	} {
		if status := talk(t, p, request("GET", target)); status != want {
			t.Errorf("%s: answer %d, want %d", target, status, want)
		}
	}
}

// What is answered here has the form that Grafana's scripts read, and is counted.
func TestLocalAnswers(t *testing.T) {
	t.Parallel()
	_, p := start(t, nil, nil)
	check := func(path string, status int, contentType, want string) {
		t.Helper()
		response, text := fetch(t, p, "GET", path, "")
		if response.StatusCode != status || response.Header.Get("Content-Type") != contentType ||
			text != want ||
			response.Header.Get("Content-Security-Policy") != "frame-ancestors 'self'" {
			t.Errorf("%s: %d %q, %v", path, response.StatusCode, text, response.Header)
		}
	}
	check("/api/annotations?from=1", 200, "application/json", "[]")
	check("/api/prometheus/grafana/api/v1/rules", 200, "application/json",
		`{"status":"success","data":{"groups":[]}}`)
	check("/api/users", 404, "application/json", `{"message":"not found"}`)
	check("/nothing", 404, "text/plain; charset=utf-8", "not found\n")
	fetch(t, p, "GET", solo, "")
	for decision, want := range map[string]float64{
		"pass": 1, "denied": 2, "local": 2, "failed": 0,
		"busy": 0, "gone": 0,
	} {
		if got := decisions(t, p, decision); got != want {
			t.Errorf("decision %s: %v, want %v", decision, got, want)
		}
	}
}

// What goes up for a query is what was checked, and nothing else. Grafana sees the browser's host.
func TestCanonicalQuery(t *testing.T) {
	t.Parallel()
	g, p := start(t, nil, nil)
	response, text := fetch(t, p, "POST", "/api/ds/query?requestId=Q1", body(medianQuery))
	if response.StatusCode != 200 {
		t.Fatalf("answer %d %s", response.StatusCode, text)
	}
	want := `{"queries":[{"refId":"A","datasource":` + source + `,"query":` +
		strings.ReplaceAll(quote(medianQuery), `\u003e`, ">") +
		`,"intervalMs":5000,"maxDataPoints":881}],"from":"1767225600123","to":"1767226500123"}`
	if seen, bodies := g.record(); len(bodies) != 1 || bodies[0] != want || seen[0] != "POST "+p.URL+"/api/ds/query" {
		t.Errorf("%s: bodies that went up:\n%s\nwant\n%s", seen, bodies, want)
	}
}
