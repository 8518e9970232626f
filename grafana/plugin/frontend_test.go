package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"colorstream/grafana/grafanatest"
)

// react lists a version's packages and where their code is. They are fetched from npm once, into
// the user's cache.
func react(t *testing.T, version string, files map[string]string) map[string]string {
	t.Helper()
	npm, err := exec.LookPath("npm")
	if err != nil && os.Getenv("CI") != "true" {
		t.Skipf("this test wants Node.js: %v", err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(cache, "colorstream", "react-"+version)
	// npm writes it last
	if _, err := os.Stat(filepath.Join(folder, "node_modules", ".package-lock.json")); err != nil {
		text, err := exec.CommandContext(t.Context(), npm, "install", "--prefix", folder, "--no-audit",
			"--no-fund",
			"--no-save", "--ignore-scripts", "react@"+version, "react-dom@"+version).CombinedOutput()
		if err != nil {
			t.Fatalf("npm install: %v\n%s", err, text)
		}
	}
	packages := make(map[string]string)
	for name, file := range files {
		text, err := os.ReadFile(filepath.Join(folder, "node_modules", file))
		if err != nil {
			t.Fatal(err)
		}
		packages[name] = string(text)
	}
	return packages
}

func TestTheFrontEndWorksUnderOldAndNewReact(t *testing.T) {
	t.Parallel()
	module, err := os.ReadFile("web/module.js")
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.FileServer(http.Dir("testdata/frontend")))
	defer server.Close()
	for version, files := range map[string]map[string]string{
		"17.0.2": { // Grafana 9.4
			"react": "react/cjs/react.development.js", "react-dom": "react-dom/cjs/react-dom.development.js",
			"scheduler": "scheduler/cjs/scheduler.development.js", "object-assign": "object-assign/index.js",
			"scheduler/tracing": "scheduler/cjs/scheduler-tracing.development.js",
		},
		"19.2.0": { // Grafana 13
			"react": "react/cjs/react.development.js", "react-dom": "react-dom/cjs/react-dom.development.js",
			"react-dom/client": "react-dom/cjs/react-dom-client.development.js",
			"scheduler":        "scheduler/cjs/scheduler.development.js",
		},
	} {
		t.Run(version, func(t *testing.T) {
			packages, err := json.Marshal(react(t, version, files))
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(string(module))
			if err != nil {
				t.Fatal(err)
			}
			ctx := grafanatest.Browser(t, 800, 600)
			if err := chromedp.Do(ctx, chromedp.Navigate(server.URL+"/page.html")); err != nil {
				t.Fatal(err)
			}
			type result struct {
				React    string
				Problems []string
			}
			got, err := chromedp.Run(ctx, chromedp.Evaluate[result](
				fmt.Sprintf("scenario(%s, %s)", packages, text), chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			if got.React != version {
				t.Errorf("it ran under React %s", got.React)
			}
			for _, p := range got.Problems {
				t.Error(p)
			}
		})
	}
}
