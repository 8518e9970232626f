package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/google/go-cmp/cmp"

	"colorstream/generator/service"
	"colorstream/grafana/grafanatest"
	"colorstream/grafana/lint"
	"colorstream/influxdb/influxtest"
)

// What the browser saves is pulled, passes lint, and lasts.
func TestAnEditInTheBrowserReachesTheFile(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db})
	fill(t, db, 30*time.Minute)
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One colour"))
	ctx := grafanatest.Browser(t, 1500, 1500)
	root := t.TempDir()
	if err := os.CopyFS(filepath.Join(root, "dashboards"), os.DirFS(g.Dashboards)); err != nil {
		t.Fatal(err)
	}
	pullAll := func() string {
		t.Helper()
		var out bytes.Buffer
		err := run(t.Context(), service.Process{
			Args: []string{"pull", "colors", "color"}, Environ: map[string]string{"GRAFANA_URL": g.URL, "GRAFANA_DIR": root}, Stdout: &out, Stderr: t.Output(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if said, want := pullAll(), "color.json: unchanged\ncolors.json: unchanged\n"; said != want {
		t.Errorf("before any edit, pull says %q, want %q", said, want)
	}

	for uid, path := range map[string]string{"colors": "/d/colors/colours?", "color": "/d/color/one-colour?var-color=blue&var-color=red&"} {
		if err := chromedp.Do(ctx, chromedp.Navigate(g.URL+path+"from=now-30m&to=now&refresh=")); err != nil {
			t.Fatal(err)
		}
		var model string
		grafanatest.Eventually(t, 40*time.Second, func() error {
			screen, err := grafanatest.Look(ctx)
			if err == nil {
				err = screen.Complaint(3, false)
			}
			if err == nil {
				model, err = chromedp.Run(ctx, chromedp.Evaluate[string](`JSON.stringify(window.__grafanaSceneContext ? window.__grafanaSceneContext.getSaveModel() : window.grafanaRuntime.getDashboardSaveModel())`))
			}
			return err
		})
		model = strings.Replace(model, "Messages per window", "Messages per 5 seconds", 1)
		if err := g.Save(uid, model); err != nil {
			t.Fatal(err)
		}
	}
	time.Sleep(16 * time.Second) // the files are read again, and take nothing back
	if said, want := pullAll(), "color.json: written\ncolors.json: written\n"; said != want {
		t.Errorf("after an edit, pull says %q, want %q", said, want)
	}
	set := load(t, root)
	for _, p := range lint.Check(set) {
		t.Errorf("what was pulled is not clean: %v", p)
	}
	for _, f := range set.Dashboards {
		if strings.HasPrefix(f.Name, "color") &&
			!bytes.Contains(f.Data, []byte("Messages per 5 seconds")) {
			t.Errorf("%s has not got the edit", f.Name)
		}
		shipped, err := os.ReadFile(filepath.Join(g.Dashboards, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		edited := strings.Replace(string(shipped), "Messages per window", "Messages per 5 seconds", 1)
		if diff := cmp.Diff(edited, string(f.Data)); strings.HasPrefix(f.Name, "color") && diff != "" {
			t.Errorf("%s: more or less than the title changed (-want +got):\n%s", f.Name, diff)
		}
	}
	if said, want := pullAll(), "color.json: unchanged\ncolors.json: unchanged\n"; said != want {
		t.Errorf("once more, pull says %q, want %q", said, want)
	}
}
