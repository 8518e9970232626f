package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"colorstream/generator/redistest"
	"colorstream/generator/service/servicetest"
	"colorstream/grafana/grafanatest"
)

// movingDashboard has panels whose text can be read: the newest value, and the number of messages.
const movingDashboard = `{"uid":"moving","title":"Moving","schemaVersion":37,"refresh":"","liveNow":true,
"time":{"from":"now-5m","to":"now"},"panels":[%s,%s]}`

const movingPanel = `{"id":%d,"title":"p","type":"stat","datasource":{"type":"colorstream-live-datasource","uid":"colorstream-live"},
"gridPos":{"x":0,"y":%[1]d,"w":12,"h":6},"fieldConfig":{"defaults":{"unit":"none","decimals":0},"overrides":[]},
"options":{"graphMode":"none","textMode":"value","colorMode":"none","reduceOptions":{"calcs":["%s"],"fields":"/^red$/","values":false}},
"targets":[{"refId":"A","datasource":{"type":"colorstream-live-datasource","uid":"colorstream-live"},%s}]}`

// startGrafana starts a real one with this plugin, the live dashboard, and one that the test makes.
func startGrafana(t *testing.T, redisURL string) *grafanatest.Server {
	t.Helper()
	plugins := t.TempDir()
	environ := []string{"GF_PATHS_PLUGINS=" + plugins, "REDIS_URL=" + redisURL}
	g := grafanatest.Start(t, grafanatest.Options{Environ: environ, Edit: func(dir string) {
		folder := filepath.Join(plugins, pluginID)
		name := "gpx_colorstream_live_" + runtime.GOOS + "_" + runtime.GOARCH
		err := errors.Join(os.CopyFS(folder, os.DirFS("web")),
			os.Rename(build(t), filepath.Join(folder, name)),
			os.RemoveAll(filepath.Join(dir, "alerting"))) // there is no InfluxDB to ask
		if err != nil {
			t.Fatal(err)
		}
	}})
	moving := fmt.Sprintf(movingDashboard,
		fmt.Sprintf(movingPanel, 1, "lastNotNull",
			`"stream":"windows","show":"running","statistic":"max"`),
		fmt.Sprintf(movingPanel, 2, "count", `"stream":"messages","colors":["red"]`))
	body := map[string]any{"dashboard": json.RawMessage(moving)}
	status, err := g.Call(true, http.MethodPost, "/api/dashboards/db", body, nil)
	if err != nil || status != http.StatusOK {
		t.Fatalf("save the dashboard: %d %v", status, err)
	}
	return g
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

func run[T any](t *testing.T, ctx grafanatest.Page, script string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return got
}

func show(t *testing.T, ctx grafanatest.Page, url string) {
	t.Helper()
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
}

func TestInARealGrafana(t *testing.T) {
	server := redistest.Start(t)
	g := startGrafana(t, server.URL())
	c := server.Client()
	ctx := grafanatest.Browser(t, 1400, 1060)
	connections := func() int {
		list, err := c.Do(t.Context(), "client", "list", "type", "pubsub").Text()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(list, " addr=")
	}

	// A panel moves soon after a message.
	show(t, ctx, g.URL+"/d-solo/moving/x?orgId=1&hideLogo=true&panelId=1")
	awaitSubscriber(t, c)
	run[any](t, ctx, recorder+";0")
	next := 10_000
	move := func(what string) time.Duration {
		next++
		sent := time.Now()
		publish(t, c, "red", float64(next))
		servicetest.Eventually(t, what, func() bool {
			return run[bool](t, ctx, fmt.Sprintf("%d in window.seen", next))
		})
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

	// After a reload the past is there: all messages, which only their own panel counts.
	total := next - 10_000
	count := func() int {
		text := run[string](t, ctx, "document.body.innerText") // there may be a title or a logo's text
		n, _ := strconv.Atoi(regexp.MustCompile(`[0-9]+`).FindString(text))
		return n
	}
	show(t, ctx, g.URL+"/d-solo/moving/x?orgId=1&hideLogo=true&panelId=2")
	for range 2 {
		servicetest.Eventually(t, "messages from before the reload", func() bool {
			return count() == total
		})
		if err := chromedp.Do(ctx, chromedp.Reload()); err != nil {
			t.Fatal(err)
		}
	}

	// Redis may restart.
	show(t, ctx, g.URL+"/d-solo/moving/x?orgId=1&hideLogo=true&panelId=1")
	run[any](t, ctx, recorder+";0")
	move("the panel moves again")
	server.Kill()
	server.Restart()
	awaitSubscriber(t, c)
	move("the panel moves after Redis has restarted")

	// So may Grafana: the panel subscribes again by itself.
	g.Restart(t)
	awaitSubscriber(t, c)
	move("the panel moves after Grafana has restarted")

	// The live dashboard draws all its panels.
	show(t, ctx, g.URL+"/d/colors-live?kiosk")
	deadline := time.Now().Add(40 * time.Second)
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
	grafanatest.Save(t, ctx, "live")
	if n := connections(); n != 1 {
		t.Errorf("%d connections for a dashboard", n)
	}

	// It costs nothing when it is closed. Grafana takes its time to notice.
	show(t, ctx, "about:blank")
	closed := time.Now()
	for connections() != 0 {
		if time.Since(closed) > 90*time.Second {
			t.Fatalf("still connected %v after the page was closed", time.Since(closed))
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Logf("%v after the page was closed nothing is received any more",
		time.Since(closed).Round(time.Second))

	// Health, and no warning but the one that is known.
	var health struct{ Message string }
	const path = "/api/datasources/uid/colorstream-live/health"
	if _, err := g.Call(true, http.MethodGet, path, nil, &health); err != nil ||
		!strings.Contains(health.Message, "start the generator") {
		t.Errorf("health: %v %q", err, health.Message)
	}
	for line := range strings.Lines(g.Warnings()) {
		ours := strings.Contains(line, pluginID) || strings.Contains(line, "live")
		known := strings.Contains(line, "Permitting unsigned plugin") ||
			strings.Contains(line, "elevated privileges") ||
			// 12.4
			strings.Contains(line, "not connected to Redis") || strings.Contains(line, "Plugin is unsigned")
		if ours && !known {
			t.Errorf("Grafana complains: %s", line)
		}
	}
}
