package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
)

// livePlugin is the data source in grafana/plugin.
const livePlugin = "colorstream-live-datasource"

// plugins is the folder that Grafana loads plugins from.
func (s *stack) plugins() string { return filepath.Join(s.bin, "plugins") }

// installPlugin builds the live data source into that folder. Without it all but the live dashboard works, so a
// failure is only told.
func (s *stack) installPlugin(ctx context.Context) error {
	folder := filepath.Join(s.plugins(), livePlugin)
	program := filepath.Join(folder, "gpx_colorstream_live_"+runtime.GOOS+"_"+runtime.GOARCH)
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	_, missing := os.Stat(program)
	if _, err := exec.LookPath("go"); err != nil {
		if missing != nil {
			s.out.say("Grafana's live data source is not built, and there is no go to build it: the live dashboard stays empty")
		}
		return nil
	}
	if missing != nil {
		s.out.say("building Grafana's live data source, which takes a few minutes the first time")
	}
	err := s.goBuild(ctx, "-ldflags=-s -w", "-o", program, "./grafana/plugin")
	if err == nil {
		err = replaceFiles(folder, os.DirFS(filepath.Join(s.root, "grafana", "plugin", "web")))
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		s.out.say("Grafana's live data source is not there, and the live dashboard stays empty: %s", firstLine(err))
	}
	return nil
}

// replaceFiles copies files into a folder, in place of those of the same names.
func replaceFiles(folder string, from fs.FS) error {
	entries, err := fs.ReadDir(from, ".")
	if err != nil {
		return fmt.Errorf("copy into %s: %w", folder, err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	return os.CopyFS(folder, from)
}
