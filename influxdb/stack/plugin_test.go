package main

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"
)

func TestFilesAreReplacedAndOthersKept(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "plugin")
	if err := os.MkdirAll(filepath.Join(folder, "img"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"gpx_program": "program", "module.js": "old", "img/gone.svg": "old"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	from := t.TempDir()
	if err := os.CopyFS(from, fstest.MapFS{"module.js": {Data: []byte("new")}, "img/icon.svg": {Data: []byte("new")}}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := replaceFiles(folder, from); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]string{"gpx_program": "program", "module.js": "new", "img/icon.svg": "new"} {
		if got, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := os.Stat(filepath.Join(folder, "img/gone.svg")); !os.IsNotExist(err) {
		t.Errorf("a file that is no more: %v", err)
	}
	// It is what Grafana looks for.
	if err := replaceFiles(filepath.Join(t.TempDir(), "new"), "../../grafana/plugin/web"); err != nil {
		t.Error(err)
	}
}
