package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/grafanatest"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// denied are paths of Grafana that the page must not have, whoever asks.
var denied = []string{
	"/api/admin/settings", "/api/admin/users", "/api/user", "/api/org/users", "/api/datasources",
	"/login", "/api/live/list",
}

// watchToasts notes every message that appears over the panel in a frame from now on, however soon
// it goes.
const watchToasts = `(() => {
	const page = %[1]s.contentDocument;
	const toasts = window.toasts = new Set();
	const look = () => {
		for (const e of page.querySelectorAll("[role=alert], [data-testid^='data-testid Alert'], .page-alert-list *")) toasts.add(e.innerText);
	};
	look();
	new (page.defaultView.MutationObserver)(look).observe(page, {childList: true, subtree: true});
})()`

// An administrator who is logged in to Grafana sees on our page what everyone sees: cookies do not
// know ports, so the session does reach us. The panel draws in both themes, asks again by itself
// and complains of nothing, which is how a path that the proxy should know is found; all the same
// where the page is under a path.
func TestPageWithGrafana(t *testing.T) {
	db := influxtest.Start(t)
	grafana := grafanatest.Start(t, grafanatest.Options{Influx: db})
	for _, prefix := range []string{"", "/colors"} {
		t.Run("prefix"+prefix, func(t *testing.T) { testPageWithGrafana(t, db, grafana, prefix) })
	}
}

func testPageWithGrafana(
	t *testing.T, db *influxtest.Server, server *grafanatest.Server, prefix string,
) {
	grafana := server.URL
	s := newStackOn(t, db, "GRAFANA_URL="+grafana, "GRAFANA_PUBLIC_URL="+grafana, "WORKER_WINDOW=5s",
		"DASHBOARD_REFRESH=5s", "DASHBOARD_STALE=10m", "DASHBOARD_PREFIX="+prefix)
	var points []series.Point
	for ago := range 900 {
		for _, color := range []string{"red", "blue", "green", "yellow"} {
			points = append(points, point(color, ago/5*5, 50+rand.NormFloat64()*10))
		}
	}
	s.write(t, points...)
	s.await(t, "/rows", `"panels":[1`)
	b := newTab(t)
	// Denied on purpose; the whole address, so that it does not hide a path that the panel asks for.
	for _, path := range denied {
		b.expect(s.URL + prefix + path)
	}
	b.expect("403 (Forbidden) " + s.URL + prefix + "/api/ds/query")

	b.open(grafana + "/login")
	login := eval[float64](b, `fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({user: "admin", password: "`+grafanatest.AdminPassword+`"})}).then((r) => r.status)`)
	if admin := eval[float64](b, `fetch("/api/admin/settings").then((r) => r.status)`); login != 200 || admin != 200 {
		t.Fatalf("the login on Grafana's own address: %v, and then %v", login, admin)
	}

	frame := `document.querySelector("#chart iframe:not(.loading)")`
	for i, statistic := range []string{"mean", "max", "min", "median"} {
		theme := []string{"light", "dark"}[i%2]
		b.open(s.URL + prefix + "/?theme=" + theme + "&stat=" + statistic)
		b.await(frame + `?.contentDocument?.querySelector("canvas")`)
		// Not blank: each of the four colours' lines has left its pixels.
		b.await(`(() => {
			const canvas = ` + frame + `.contentDocument.querySelector("canvas");
			const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
			const hues = new Set();
			for (let i = 0; i < pixels.length; i += 4) {
				const [r, g, b, a] = pixels.slice(i, i + 4);
				if (a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 80) hues.add(r > g && g > b * 1.5 && g > r * .6 ? "yellow" : r > g ? "red" : g > b ? "green" : "blue");
			}
			return hues.size === 4;
		})()`)
		b.save("grafana-" + theme)
		who := eval[string](b, `JSON.stringify((({isSignedIn, orgRole}) => ({isSignedIn, orgRole}))(`+
			frame+`.contentWindow.grafanaBootData.user))`)
		if who != `{"isSignedIn":false,"orgRole":"Viewer"}` {
			t.Errorf("%s: in the panel the administrator is %s", theme, who)
		}
		if got := eval[string](b, `getComputedStyle(`+frame+`.contentDocument.body).backgroundColor`); (theme == "light") != strings.HasPrefix(got, "rgb(2") {
			t.Errorf("in the %s theme the panel is %s", theme, got)
		}
	}
	if outside := eval[string](b,
		frame+`.contentWindow.performance.getEntriesByType("resource").map((e) => e.name).filter((name) => !name.startsWith("`+s.URL+prefix+`/")).join("; ")`); outside != "" {
		t.Errorf("the panel asks for what is not under the page's path: %s", outside)
	}
	queries := frame + `.contentWindow.performance.getEntriesByType("resource").filter((e) => e.name.includes("/api/ds/query")).length`
	eval[any](b, fmt.Sprintf(watchToasts, frame))
	first := eval[float64](b, queries)
	b.await(fmt.Sprintf(`%s > %v`, queries, first+1)) // it asks again by itself
	if toasts := eval[string](b, `[...window.toasts].join("; ")`); toasts != "" {
		t.Errorf("the panel showed a toast: %s", toasts)
	}
	for _, path := range denied {
		if status := eval[float64](b, `fetch("`+prefix+path+`").then((r) => r.status)`); status != 404 {
			t.Errorf("with the administrator's session our %s answers %v", path, status)
		}
	}
	if status := eval[float64](b,
		`fetch("`+prefix+`/api/ds/query", {method: "POST", headers: {"Content-Type": "application/json"}, body: "{}"}).then((r) => r.status)`); status != 403 {
		t.Errorf("a query of one's own: %v", status)
	}

	// The dashboard's file is edited: its panel, and what it asks for, are soon new.
	file, title := filepath.Join(server.Dashboards, "colors.json"), "edited"+prefix
	data, err := os.ReadFile(file)
	var dashboard map[string]any
	if err == nil {
		err = json.Unmarshal(data, &dashboard)
	}
	b.must(err)
	for _, panel := range dashboard["panels"].([]any) {
		panel := panel.(map[string]any)
		if panel["id"] == 2. {
			panel["title"] = title
			target := panel["targets"].([]any)[0].(map[string]any)
			target["query"] = target["query"].(string) + "\n// \"quoted\" <&> é " + title
		}
	}
	data, err = json.Marshal(dashboard)
	b.must(err)
	b.must(os.WriteFile(file+".new", data, 0o644))
	b.must(os.Rename(file+".new", file))
	panel := eval[string](b, frame+`.src`)
	for deadline := time.Now().Add(45 * time.Second); !eval[bool](b, `(`+frame+`?.contentDocument?.body?.innerText ?? "").includes("`+title+`")`); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the panel %s is not the edited one after 45 s", panel)
		}
	}
	b.await(frame + `?.contentDocument?.querySelector("canvas")`)
}
