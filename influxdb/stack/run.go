// Stack runs the whole of Colorstream on one machine, without containers: Redis, InfluxDB, workers,
// the generator, the page, and Grafana where it is installed.
//
// It needs a checkout and Go; InfluxDB is built once (see package influxd), Redis and Grafana are
// the machine's. All data lies in one folder. It is a launcher for trying and developing, not an
// init system: what dies is not restarted, it takes the rest down. On Linux the kernel ends all
// programs with a launcher that is killed; elsewhere they run on.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"colorstream/generator/service"
	"colorstream/influxdb/influxd"
)

const about = `stack runs all of Colorstream on this machine, without containers. Run it inside the checkout.`

const notes = `Every program gets the variables that it knows: ` + "`bin/PROGRAM help`" + ` lists them.

`

func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "stack", About: about, Notes: notes, Config: config{},
		Commands: []service.Command{
			{Usage: "run", Help: "start everything; Ctrl-C stops it, a second Ctrl-C ends it at once", Run: service.Configured(start)},
			{Usage: "stop", Help: "stop what runs", Run: service.Configured(stopAll)},
			{Usage: "influxd", Help: "build InfluxDB if there is none yet, and print its path", Run: buildInfluxd},
		},
	}.Run(ctx, p)
}

// start and stopAll are the commands that need the checkout and the configuration.
func start(ctx context.Context, p service.Process, c config) error {
	root, err := findRoot(".")
	if err != nil {
		return err
	}
	return up(ctx, p, root, c.in(root))
}

func stopAll(ctx context.Context, p service.Process, c config) error {
	root, err := findRoot(".")
	if err != nil {
		return err
	}
	return stop(ctx, p.Stdout, c.in(root).Data)
}

// in makes the folder of the data one of the checkout.
func (c config) in(root string) config {
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(root, c.Data)
	}
	return c
}

func buildInfluxd(ctx context.Context, p service.Process) error {
	root, err := findRoot(".")
	if err != nil {
		return err
	}
	path, err := builder(root, p).Build(ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, path)
	return err
}

func builder(root string, p service.Process) *influxd.Builder {
	return &influxd.Builder{
		Server: filepath.Join(root, "influxdb", "server"),
		Out:    p.Stderr,
		Getenv: func(name string) string { return p.Environ[name] },
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
			return "", errors.New("run this inside the checkout: no folder here or above has influxdb/server")
		}
	}
}
