// Stack runs the whole of Colorstream on one machine, without containers.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"colorstream/generator/service"
	"colorstream/influxdb/influxd"
)

func run(ctx context.Context, p service.Process) error {
	command := ""
	if len(p.Args) > 0 {
		command = p.Args[0]
	}
	switch command {
	case "influxd":
		return buildInfluxd(ctx, p)
	default:
		return service.Usage(fmt.Errorf("no such command: %q", command))
	}
}

// buildInfluxd sees to it that there is an influxd and prints its path.
func buildInfluxd(ctx context.Context, p service.Process) error {
	root, err := findRoot(".")
	if err != nil {
		return err
	}
	path, err := builder(root, p.Environ, p.Stderr).Build(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(p.Stdout, path)
	return nil
}

func builder(root string, environ map[string]string, out io.Writer) *influxd.Builder {
	return &influxd.Builder{
		Server: filepath.Join(root, "influxdb", "server"),
		Out:    out,
		Getenv: func(name string) string { return environ[name] },
	}
}

// findRoot finds the checkout that dir lies in.
func findRoot(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "influxdb", "server", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the checkout: no folder influxdb/server in this one nor above it")
		}
	}
}
