package main

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// startGrafana starts a real Grafana with the project's own provisioning.
func startGrafana(t *testing.T, db *influxtest.Server) (address string) {
	t.Helper()
	home := os.Getenv("GRAFANA_HOME")
	if home == "" {
		t.Skip("this test wants a real Grafana 9.4 or newer: set GRAFANA_HOME to the folder that holds bin/grafana, conf and public")
	}
	folder, err := filepath.Abs("../grafana")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, port, err := net.SplitHostPort(freeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(filepath.Join(home, "bin", "grafana"), "server", "--homepath", home,
		"--config", filepath.Join(folder, "grafana.ini"))
	command.Env = append(os.Environ(),
		"GF_SERVER_HTTP_ADDR=127.0.0.1", "GF_SERVER_HTTP_PORT="+port, "GF_PATHS_DATA="+dir, "GF_PATHS_LOGS="+filepath.Join(dir, "log"),
		"GF_PATHS_PLUGINS="+filepath.Join(dir, "plugins"), "GF_PATHS_PROVISIONING="+filepath.Join(folder, "provisioning"),
		"GF_LOG_LEVEL=error", "GF_SECURITY_ADMIN_PASSWORD=adminpassword",
		"INFLUX_URL="+db.URL, "INFLUX_ORG="+db.Org, "INFLUX_BUCKET="+db.Bucket, "INFLUX_TOKEN="+db.GrafanaToken,
		"WORKER_WINDOW=5s", "GRAFANA_DASHBOARDS="+filepath.Join(folder, "dashboards"),
	)
	command.Stdout, command.Stderr = t.Output(), t.Output()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		kill := time.AfterFunc(20*time.Second, func() { _ = command.Process.Kill() })
		defer kill.Stop()
		_ = command.Wait() // its status after a signal tells nothing
	})
	return "http://127.0.0.1:" + port
}

// denied are paths of Grafana that the page must not have, whoever asks.
var denied = []string{
	"/api/admin/settings", "/api/admin/users", "/api/user", "/api/org/users", "/api/datasources", "/login", "/api/live/list",
}

// watchToasts notes every message that appears over the panel in a frame from now on, however soon it goes.
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
// know ports, so the session does reach us. The panel draws in both themes, asks again by itself and
// complains of nothing; all the same where the page is under a path.
func TestPageWithGrafana(t *testing.T) {
	db := influxtest.Start(t)
	grafana := startGrafana(t, db)
	for _, prefix := range []string{"", "/colors"} {
		t.Run("prefix"+prefix, func(t *testing.T) { testPageWithGrafana(t, db, grafana, prefix) })
	}
}

func testPageWithGrafana(t *testing.T, db *influxtest.Server, grafana, prefix string) {
	s := newStack(t, db, "GRAFANA_URL="+grafana, "GRAFANA_PUBLIC_URL="+grafana, "WORKER_WINDOW=5s",
		"DASHBOARD_REFRESH=5s", "DASHBOARD_STALE=10m", "DASHBOARD_PREFIX="+prefix)
	var points []series.Point
	for ago := range 900 {
		for _, color := range []string{"red", "blue", "green", "yellow"} {
			points = append(points, point(color, ago/5*5, 50+rand.NormFloat64()*10))
		}
	}
	s.write(t, points...)
	for deadline := time.Now().Add(60 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		response, err := http.Get(grafana + "/api/dashboards/uid/colors")
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Now().After(deadline) {
			t.Fatal("Grafana does not show the dashboard within a minute")
		}
	}
	s.awaitGrafana(t)
	b := newTab(t)
	// Denied on purpose; the whole address, so that it does not hide a path that the panel asks for.
	for _, path := range denied {
		b.expect(s.URL + prefix + path)
	}

	b.open(grafana + "/login")
	login := eval[float64](b, `fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({user: "admin", password: "adminpassword"})}).then((r) => r.status)`)
	if admin := eval[float64](b, `fetch("/api/admin/settings").then((r) => r.status)`); login != 200 || admin != 200 {
		t.Fatalf("the login on Grafana's own address: %v, and then %v", login, admin)
	}

	frame := `document.querySelector("#chart iframe:not(.loading)")`
	for _, theme := range []string{"light", "dark"} {
		b.open(s.URL + prefix + "/?theme=" + theme)
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
		who := eval[string](b, `JSON.stringify((({isSignedIn, orgRole}) => ({isSignedIn, orgRole}))(`+frame+`.contentWindow.grafanaBootData.user))`)
		if who != `{"isSignedIn":false,"orgRole":"Viewer"}` {
			t.Errorf("%s: in the panel the administrator is %s", theme, who)
		}
		if got := eval[string](b, `getComputedStyle(`+frame+`.contentDocument.body).backgroundColor`); (theme == "light") != strings.HasPrefix(got, "rgb(2") {
			t.Errorf("in the %s theme the panel is %s", theme, got)
		}
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
}
