package proxy_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"colorstream/dashboard/proxy"
	"colorstream/grafana/grafanatest"
)

// A frame is a page that shows one panel, as the page on :8050 does, and counts what the panel asks
// for.
type frame struct {
	*httptest.Server
	*proxy.Proxy
	prefix string // of the page's paths

	mu      sync.Mutex
	queries int
	others  []string // asked for and not under the prefix
	log     strings.Builder
}

const frameHTML = `<!doctype html><title>panel</title><iframe id="panel" style="width:900px;height:400px;border:0" src="%s"></iframe>`

func newFrame(t *testing.T, grafanaURL, prefix string) *frame {
	t.Helper()
	f := &frame{prefix: prefix}
	upstream, err := url.Parse(grafanaURL)
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.log.Write(p)
	}), &slog.HandlerOptions{Level: slog.LevelDebug}))
	f.Proxy = proxy.New(log, proxy.Config{
		Upstream: upstream, DashboardUID: "colors", DataSourceUID: "colorstream-influxdb",
		Prefix: func(*http.Request) string { return prefix },
	}, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = f.Run(ctx) })
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path, under := strings.CutPrefix(r.URL.Path, prefix)
		if !under {
			f.mu.Lock()
			f.others = append(f.others, r.URL.Path)
			f.mu.Unlock()
			http.NotFound(w, r)
			return
		}
		r.URL.Path = path
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html")
			_, _ = fmt.Fprintf(w, frameHTML,
				strings.NewReplacer("&", "&amp;", `"`, "&quot;").Replace(r.URL.Query().Get("src")))
			return
		}
		if r.Method == http.MethodPost && r.URL.Path == "/api/ds/query" {
			f.mu.Lock()
			f.queries++
			f.mu.Unlock()
		}
		f.Proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		f.CloseClientConnections()
		f.Close()
		cancel()
		running.Wait()
		if t.Failed() {
			t.Logf("the proxy logged:\n%s", f.logged())
		}
	})
	eventually(t, "the dashboard is seen", func() bool { return f.State().Available })
	return f
}

func (f *frame) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func (f *frame) outside() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(f.others),
		func(path string) bool { return path == "/favicon.ico" })
}

func (f *frame) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.queries
}

func (f *frame) address(panel int, theme string) string {
	return f.URL + f.prefix + "/?src=" + url.QueryEscape(fmt.Sprintf("%s/d-solo/colors/x?orgId=1&panelId=%d"+
		"&from=now-15m&to=now&refresh=5s&theme=%s&timezone=browser&hideLogo=true", f.prefix, panel, theme))
}

// newBrowser starts Chromium with a profile of its own and collects what scripts complain about.
func newBrowser(t *testing.T) (ctx context.Context, complaints func() []string) {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("this test wants Chromium: install it (Debian: apt-get install chromium)")
		}
		t.Skip("this test wants Chromium: install it (Debian: apt-get install chromium)")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx,
		append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
			chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(940, 440))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	var mu sync.Mutex
	var said []string
	messages := chromedp.Console(ctx)
	var listening sync.WaitGroup
	listening.Go(func() {
		for message, err := range messages {
			if err != nil {
				return
			}
			// Statuses of 400 and above are the proxy's refusals, which other tests judge.
			if message.IsException() || message.Source == "security" ||
				strings.Contains(message.Text, "Refused") {
				mu.Lock()
				said = append(said, message.String())
				mu.Unlock()
			} else {
				t.Logf("console: %s %s", message, message.URL)
			}
		}
	})
	t.Cleanup(func() { cancel(); listening.Wait() })
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(said)
	}
}

func run[T any](t *testing.T, ctx context.Context, action chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// panelState is what the frame shows.
type panelState struct {
	Drawn  int    `json:"drawn"`  // pixels of the chart's canvas in a strong colour
	Signed bool   `json:"signed"` // logged in
	Role   string `json:"role"`   // in the organisation
	Light  bool   `json:"light"`  // background
	Text   string `json:"text"`   // visible
	Alerts int    `json:"alerts"` // toasts and error corners
	At     string `json:"at"`     // the frame's address
}

const readPanel = `(() => {
	const state = {drawn: 0, signed: true, role: "?", light: false, text: "", alerts: 0, at: ""};
	const frame = document.getElementById("panel"), doc = frame && frame.contentDocument, boot = frame && frame.contentWindow.grafanaBootData;
	if (!doc || !doc.body) return state;
	state.at = doc.location.href;
	state.text = doc.body.innerText;
	state.alerts = doc.querySelectorAll('[role=alert], [data-testid*="Alert error"], .alert-error, [aria-label*="Panel header error"], .panel-info-corner--error').length;
	if (boot) { state.signed = boot.user.isSignedIn; state.role = boot.user.orgRole; }
	state.light = getComputedStyle(doc.body).backgroundColor.match(/\d+/g).slice(0, 3).every(c => c > 128);
	for (const canvas of doc.querySelectorAll("canvas")) {
		if (!canvas.width || !canvas.height) continue;
		const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
		for (let i = 0; i < data.length; i += 4)
			if (data[i+3] > 128 && Math.max(data[i], data[i+1], data[i+2]) - Math.min(data[i], data[i+1], data[i+2]) > 60) state.drawn++;
	}
	return state;
})()`

// waitForPanel waits until a panel's lines are drawn.
func waitForPanel(t *testing.T, ctx context.Context, what string) (state panelState) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		state = run(t, ctx, chromedp.Evaluate[panelState](readPanel))
		if state.Drawn > 500 {
			return state
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: the panel is blank after 40 s: %+v", what, state)
		}
	}
}

// screenshot keeps a picture where BROWSER_PICTURES says, if it does.
func screenshot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("BROWSER_PICTURES")
	if dir == "" {
		return
	}
	picture := run(t, ctx, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}

// fetchIn runs fetch in the page and returns the status and the text.
func fetchIn(t *testing.T, ctx context.Context, method, target, body string) (status int, text string) {
	t.Helper()
	script := fmt.Sprintf(`fetch(%q, {method: %q, credentials: "include", headers: %q.length ? {"Content-Type": "application/json"} : {}, body: %q || undefined})
		.then(async r => ({status: r.status, text: await r.text()}))`, target, method, body, body)
	got := run(t, ctx, chromedp.Evaluate[struct {
		Status int    `json:"status"`
		Text   string `json:"text"`
	}](script, chromedp.EvalAwaitPromise))
	return got.Status, got.Text
}

// The panel is shown to a browser whose user is Grafana's administrator as to anybody: an anonymous
// viewer. All the same where the page is under a path prefix.
func TestRealGrafana(t *testing.T) {
	g := startGrafana(t)
	for _, prefix := range []string{"", "/a/colors"} {
		t.Run("prefix"+strings.ReplaceAll(prefix, "/", "-"),
			func(t *testing.T) { testReal(t, g, prefix) })
	}
}

func testReal(t *testing.T, g *grafanatest.Server, prefix string) {
	f := newFrame(t, g.URL, prefix)
	ctx, complaints := newBrowser(t)

	// Log in on Grafana's own address. Its cookie is for the host, so the page gets it too.
	run(t, ctx, chromedp.Navigate(g.URL+"/api/health"))
	if status, text := fetchIn(t, ctx, "POST", "/login", `{"user":"admin","password":"`+grafanatest.AdminPassword+`"}`); status != 200 {
		t.Fatalf("log in: %d %s", status, text)
	}
	if status, _ := fetchIn(t, ctx, "GET", "/api/admin/stats", ""); status != 200 {
		t.Fatalf("the administrator's own Grafana answers %d", status)
	}

	for panel, theme := range map[int]string{1: "dark", 2: "light", 3: "dark", 4: "light"} {
		run(t, ctx, chromedp.Navigate(f.address(panel, theme)))
		what := fmt.Sprintf("panel %d, %s", panel, theme)
		state := waitForPanel(t, ctx, what)
		if state.Signed || state.Role != "Viewer" {
			t.Errorf("%s: signed in %v, role %q; want an anonymous Viewer", what, state.Signed, state.Role)
		}
		if state.Light != (theme == "light") {
			t.Errorf("%s: light background %v", what, state.Light)
		}
		if !strings.Contains(state.Text, "red") ||
			state.Alerts > 0 || strings.Contains(state.Text, "404") {
			t.Errorf("%s: %d alerts; text %q", what, state.Alerts, state.Text)
		}
		screenshot(t, ctx, fmt.Sprintf("panel%d-%s%s", panel, theme, strings.ReplaceAll(prefix, "/", "-")))
	}

	before := f.asked()
	soon(t, "the panel asks again by itself, three times",
		func() bool { return f.asked() >= before+3 })
	if state := waitForPanel(t, ctx, "after refreshing"); state.Alerts > 0 {
		t.Errorf("after refreshing: %d alerts; text %q", state.Alerts, state.Text)
	}

	for _, target := range []string{"/api/admin/stats", "/api/admin/settings", "/api/user", "/api/org/users", "/api/datasources", "/login", "/api/users", "/metrics"} {
		if status, text := fetchIn(t, ctx, "GET", prefix+target, ""); status != 404 ||
			strings.Contains(text, "admin") {
			t.Errorf("%s: %d %.100s", target, status, text)
		}
	}
	if status, text := fetchIn(t, ctx, "POST", prefix+"/api/ds/query", body(`buckets()`)); status != 403 {
		t.Errorf("a query of one's own: %d %s", status, text)
	}
	for _, said := range complaints() {
		t.Errorf("a script complains: %s", said)
	}
	for line := range strings.Lines(f.logged()) {
		if strings.Contains(line, "table does not know") && !strings.Contains(line, "path=/favicon.ico") { // the frame's
			t.Errorf("a path that the table should know: %s", line)
		}
	}
	for _, path := range f.outside() {
		t.Errorf("a path that is not under the prefix: %s", path)
	}

	testRealEdit(t, ctx, g, f)
}

// testRealEdit edits the dashboard's file and sees the panel, loaded again, ask the new query.
func testRealEdit(t *testing.T, ctx context.Context, g *grafanatest.Server, f *frame) {
	revision, title := f.State().Revision, strings.TrimSpace("edited "+f.prefix)
	save(t, g.Dashboards, " "+title,
		"\n  |> map(fn: (r) => ({r with _value: r._value * 1000.0})) // \"quoted\" <&> é")
	for deadline := time.Now().Add(45 * time.Second); f.State().Revision == revision; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the edit of the dashboard's file was not seen within 45 s")
		}
	}
	run(t, ctx, chromedp.Navigate(f.address(1, "dark")))
	state := waitForPanel(t, ctx, "after an edit")
	if state.Alerts > 0 || !strings.Contains(state.Text, "mean "+title) {
		t.Errorf("after an edit: %d alerts, text %q", state.Alerts, state.Text)
	}
	screenshot(t, ctx, "after-edit")
}

func soon(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(25 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 25 s: %s", what)
		}
	}
}

// TestReachableGrafana shows the panels of the Grafana at GRAFANA_URL, whatever is in them.
func TestReachableGrafana(t *testing.T) {
	address := os.Getenv("GRAFANA_URL")
	if address == "" {
		t.Skip("this test wants a running Grafana with the dashboard \"colors\": set GRAFANA_URL to its address")
	}
	f := newFrame(t, strings.TrimSuffix(address, "/"), "")
	response, err := http.Get(f.URL + "/d-solo/colors/x?orgId=1&panelId=1")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != 200 || !strings.Contains(string(text), "/public/build/") {
		t.Fatalf("the panel's document: %d, %v, %.200s", response.StatusCode, err, text)
	}
	ctx, complaints := newBrowser(t)
	for _, theme := range []string{"dark", "light"} {
		run(t, ctx, chromedp.Navigate(f.address(1, theme)))
		if state := waitForPanel(t, ctx, theme); state.Alerts > 0 || state.Signed {
			t.Errorf("%s: %+v", theme, state)
		}
		screenshot(t, ctx, "reachable-"+theme)
	}
	for _, said := range complaints() {
		t.Errorf("a script complains: %s", said)
	}
}
