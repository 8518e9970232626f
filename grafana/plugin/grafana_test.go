package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"colorstream/generator/redistest"
)

// A realGrafana is a running one with this plugin, the live dashboard, and one that the test makes.
type realGrafana struct {
	url string
	log *lockedBuffer
}

// movingDashboard has panels whose text can be read: the newest value, and the number of messages.
const movingDashboard = `{"uid":"moving","title":"Moving","schemaVersion":37,"refresh":"","liveNow":true,
"time":{"from":"now-5m","to":"now"},"panels":[%s,%s]}`

const movingPanel = `{"id":%d,"title":"p","type":"stat","datasource":{"type":"colorstream-live-datasource","uid":"colorstream-live"},
"gridPos":{"x":0,"y":%[1]d,"w":12,"h":6},"fieldConfig":{"defaults":{"unit":"none","decimals":0},"overrides":[]},
"options":{"graphMode":"none","textMode":"value","colorMode":"none","reduceOptions":{"calcs":["%s"],"fields":"/^red$/","values":false}},
"targets":[{"refId":"A","datasource":{"type":"colorstream-live-datasource","uid":"colorstream-live"},%s}]}`

// startGrafana starts the one that GRAFANA_HOME names: a folder with bin/grafana, conf and public
// in it.
func startGrafana(t *testing.T, redisURL string) *realGrafana {
	t.Helper()
	home := os.Getenv("GRAFANA_HOME")
	if home == "" {
		t.Skip("this test wants a real Grafana: set GRAFANA_HOME to the folder of an installed one, with bin/grafana in it")
	}
	binary, err := build()
	if err != nil {
		t.Fatalf("build the plugin: %v", err)
	}
	dir := t.TempDir()
	folder := func(parts ...string) string {
		path := filepath.Join(append([]string{dir}, parts...)...)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	read := func(path string) []byte {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	write := func(path string, raw []byte, mode os.FileMode) {
		if err := os.WriteFile(path, raw, mode); err != nil {
			t.Fatal(err)
		}
	}
	plugin := folder("plugins", pluginID)
	if err := os.CopyFS(plugin, os.DirFS("web")); err != nil {
		t.Fatal(err)
	}
	write(filepath.Join(plugin, "gpx_colorstream_live_"+runtime.GOOS+"_"+runtime.GOARCH),
		read(binary), 0o755)
	for _, kind := range []string{"alerting", "notifiers", "plugins"} {
		folder("provisioning", kind)
	}
	write(filepath.Join(folder("provisioning", "datasources"), "live.yaml"),
		read("../provisioning/datasources/live.yaml"), 0o644)
	write(filepath.Join(folder("provisioning", "dashboards"), "d.yaml"),
		read("../provisioning/dashboards/colorstream.yaml"), 0o644)
	dashboards := folder("dashboards")
	write(filepath.Join(dashboards, "live.json"), read("../dashboards/live.json"), 0o644)
	write(filepath.Join(dashboards, "moving.json"), fmt.Appendf(nil, movingDashboard,
		fmt.Sprintf(movingPanel, 1, "lastNotNull",
			`"stream":"windows","show":"running","statistic":"max"`),
		fmt.Sprintf(movingPanel, 2, "count", `"stream":"messages","colors":["red"]`)), 0o644)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	g := &realGrafana{url: "http://" + addr, log: new(lockedBuffer)}
	ini, err := filepath.Abs("../grafana.ini")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(home, "bin", "grafana"), "server", "--homepath", home, "--config", ini)
	cmd.Stdout, cmd.Stderr = g.log, g.log
	cmd.Env = append(os.Environ(),
		"GF_SERVER_HTTP_ADDR=127.0.0.1", "GF_SERVER_HTTP_PORT="+port, "GF_PATHS_DATA="+folder("data"), "GF_PATHS_LOGS="+folder("log"),
		"GF_PATHS_PLUGINS="+filepath.Join(dir,
			"plugins"), "GF_PATHS_PROVISIONING="+filepath.Join(dir, "provisioning"),
		"GF_LOG_LEVEL=info", "GF_SECURITY_ADMIN_PASSWORD=admin",
		"GRAFANA_DASHBOARDS="+dashboards, "REDIS_URL="+redisURL, "REDIS_CHANNEL=colors", "REDIS_TRANSPORT=pubsub", "WORKER_WINDOW=5s", "WORKER_LATENESS=")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // its state is in the log
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("Grafana printed:\n%s", g.warnings())
		}
	})
	for deadline := time.Now().Add(3 * timeout); ; time.Sleep(200 * time.Millisecond) {
		resp, err := http.Get(g.url + "/api/dashboards/uid/moving")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return g
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("Grafana does not show the dashboard: %s", g.log)
		}
	}
}

// warnings is what Grafana logged as a warning or an error.
func (g *realGrafana) warnings() string {
	var out []string
	for line := range strings.Lines(g.log.String()) {
		if strings.Contains(line, "level=error") || strings.Contains(line, "level=warn") {
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

// recorder notes, in the browser, when each number is first seen.
const recorder = `(() => {
	window.seen = {};
	const look = () => {
		for (const n of document.body.innerText.match(/\d+/g) || []) window.seen[n] ||= Date.now();
		requestAnimationFrame(look);
	};
	look();
})()`

func run[T any](t *testing.T, ctx page, script string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return got
}

func show(t *testing.T, ctx page, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
}

func TestInARealGrafana(t *testing.T) {
	server := redistest.Start(t)
	g := startGrafana(t, server.URL())
	c := server.Client()
	ctx := browser(t, 1400, 1060)
	connections := func() int {
		list, err := c.Do(t.Context(), "client", "list", "type", "pubsub").Text()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list, " addr=")
	}

	// A panel moves soon after a message.
	show(t, ctx, g.url+"/d-solo/moving/x?orgId=1&hideLogo=true&panelId=1")
	awaitSubscriber(t, c)
	run[any](t, ctx, recorder+";0")
	next := 10_000
	move := func(what string) time.Duration {
		next++
		sent := time.Now()
		publish(t, c, "red", float64(next))
		eventually(t, what, func() bool { return run[bool](t, ctx, fmt.Sprintf("%d in window.seen", next)) })
		return time.UnixMilli(run[int64](t, ctx, fmt.Sprintf("window.seen[%d]", next))).Sub(sent)
	}
	move("the panel moves")
	var took []time.Duration
	for i := range 60 {
		took = append(took, move("the panel moves"))
		time.Sleep(time.Duration(37*i%190) * time.Millisecond)
	}
	slices.Sort(took)
	t.Logf("from publishing to what can be seen: median %v, p95 %v, longest %v",
		took[30], took[57], took[59])
	if took[30] > 300*time.Millisecond {
		t.Errorf("the median from publishing to what can be seen is %v", took[30])
	}

	// After a reload the past is there: all messages, which only their own panel counts.
	total := next - 10_000
	count := func() int {
		text := run[string](t, ctx, "document.body.innerText") // there may be a title or a logo's text
		n, _ := strconv.Atoi(regexp.MustCompile(`[0-9]+`).FindString(text))
		return n
	}
	show(t, ctx, g.url+"/d-solo/moving/x?orgId=1&hideLogo=true&panelId=2")
	for range 2 {
		eventually(t, "messages from before the reload", func() bool { return count() == total })
		if err := chromedp.Do(ctx, chromedp.Reload()); err != nil {
			t.Fatal(err)
		}
	}

	// Redis may restart.
	show(t, ctx, g.url+"/d-solo/moving/x?orgId=1&hideLogo=true&panelId=1")
	run[any](t, ctx, recorder+";0")
	move("the panel moves again")
	server.Kill()
	server.Restart()
	awaitSubscriber(t, c)
	move("the panel moves after Redis has restarted")

	// The live dashboard draws all its panels.
	show(t, ctx, g.url+"/d/colors-live?kiosk")
	deadline := time.Now().Add(20 * time.Second)
	for i := 0; ; i++ {
		for _, color := range []string{"red", "blue", "green", "yellow"} {
			publish(t, c, color, float64((i*37+len(color)*11)%100))
		}
		time.Sleep(100 * time.Millisecond)
		// Five charts, and a bar for each colour.
		drawn := run[int](t, ctx, `document.querySelectorAll('.u-wrap, .u-over').length`)
		bars := run[int](t, ctx, `['red','blue','green','yellow'].filter(c => document.body.innerText.includes(c)).length`)
		if drawn >= 5 && bars == 4 && i > 80 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d charts and %d colours are drawn", drawn, bars)
		}
	}
	if text := run[string](t, ctx, "document.body.innerText"); strings.Contains(text, "not found") ||
		strings.Contains(text, "No data") {
		t.Errorf("the dashboard says %q", text)
	}
	screenshot(t, ctx, "live")
	if n := connections(); n != 1 {
		t.Errorf("%d connections for a dashboard", n)
	}

	// It costs nothing when it is closed. Grafana takes its time to notice.
	show(t, ctx, "about:blank")
	closed := time.Now()
	for connections() != 0 {
		if time.Since(closed) > 3*timeout {
			t.Fatalf("still connected %v after the page was closed", time.Since(closed))
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%v after the page was closed nothing is received any more",
		time.Since(closed).Round(time.Second))

	// Health, and no warning but the one that is known.
	req, err := http.NewRequestWithContext(t.Context(),
		http.MethodGet, g.url+"/api/datasources/uid/colorstream-live/health", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "admin")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var health struct{ Message string }
	if err := json.NewDecoder(resp.Body).Decode(&health); err != nil ||
		!strings.Contains(health.Message, "start the generator") {
		t.Errorf("health: %v %q", err, health.Message)
	}
	for line := range strings.Lines(g.warnings()) {
		ours := strings.Contains(line, pluginID) || strings.Contains(line, "live")
		known := strings.Contains(line, "Permitting unsigned plugin") ||
			strings.Contains(line, "elevated privileges") ||
			strings.Contains(line, "not connected to Redis") || strings.Contains(line, "Plugin is unsigned") // 12.4
		if ours && !known {
			t.Errorf("Grafana complains: %s", line)
		}
	}
}

// screenshot saves what the browser shows, if SCREENSHOTS names a folder.
func screenshot(t *testing.T, ctx page, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644)
	}
	if err != nil {
		t.Errorf("screenshot %s: %v", name, err)
	}
}
