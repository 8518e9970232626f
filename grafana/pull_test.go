package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"colorstream/grafana/grafanatest"
	"colorstream/grafana/lint"
)

// What the browser saves is pulled, passes lint, and lasts.
func TestAnEditInTheBrowserReachesTheFile(t *testing.T) {
	t.Parallel()
	g, _ := start(t, 30*time.Minute)
	ctx := grafanatest.Browser(t, 1500, 1500)
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "dashboards"), os.DirFS(g.Dashboards)); err != nil {
		t.Fatal(err)
	}
	pull := func(became string) {
		t.Helper()
		environ := map[string]string{"GRAFANA_URL": g.URL, "GRAFANA_DIR": root}
		said, err := command(t, environ, "pull", "color", "colors")
		if want := "color.json: " + became + "\ncolors.json: " + became + "\n"; err != nil || said != want {
			t.Fatalf("pull says %q, %v, want %q", said, err, want)
		}
	}
	pull("unchanged")

	for uid, path := range map[string]string{
		"colors": "/d/colors/colours?",
		"color":  "/d/color/one-colour?var-color=blue&var-color=red&",
	} {
		navigate(t, ctx, g, path+"from=now-30m&to=now&refresh=")
		var model string
		grafanatest.Eventually(t, 90*time.Second, func() error {
			screen, err := grafanatest.Look(ctx)
			if err == nil {
				err = screen.Complaint(3, false)
			}
			if err == nil {
				model, err = chromedp.Run(ctx,
					chromedp.Evaluate[string](
						`JSON.stringify(window.__grafanaSceneContext ? window.__grafanaSceneContext.getSaveModel() : window.grafanaRuntime.getDashboardSaveModel())`))
			}
			return err
		})
		model = strings.Replace(model, "Messages per window", "Messages per 5 seconds", 1)
		// As the browser saves. The older address makes Grafana forget that the dashboard has a file, and
		// soon read it again.
		path := "/apis/dashboard.grafana.app/v1beta1/namespaces/default/dashboards/" + uid
		var body map[string]any
		if status, err := g.Call(true, http.MethodGet, path, nil, &body); status != http.StatusOK || err != nil {
			t.Fatalf("read dashboard %s: %d %v", uid, status, err)
		}
		body["spec"] = json.RawMessage(model)
		if status, err := g.Call(true, http.MethodPut, path, body, nil); status != http.StatusOK || err != nil {
			t.Fatalf("save dashboard %s: %d %v", uid, status, err)
		}
	}
	time.Sleep(16 * time.Second) // the files are read again, and take nothing back
	pull("written")
	set := load(t, root)
	for _, p := range lint.Check(set) {
		t.Errorf("what was pulled is not clean: %v", p)
	}
	for _, f := range set.Dashboards {
		shipped, err := os.ReadFile(filepath.Join(g.Dashboards, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(shipped), "Messages per window", "Messages per 5 seconds", 1)
		if diff := cmp.Diff(edited, string(f.Data)); strings.HasPrefix(f.Name, "color") && diff != "" {
			t.Errorf("%s: more or less than the title changed (-want +got):\n%s", f.Name, diff)
		}
	}
	pull("unchanged")
}
