// Stack runs the whole of Colorstream on one machine, without containers: Redis, InfluxDB, workers, the
// generator, the page, and Grafana where it is installed.
//
// It needs a checkout and Go; InfluxDB is built once (see package influxd), Redis and Grafana are the
// machine's. All data lies in one folder. It is a launcher for trying and developing, not an init
// system: what dies is not restarted, it takes the rest down. On Linux the kernel ends all programs
// with a launcher that is killed; elsewhere they run on.
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

const help = `stack runs all of Colorstream on this machine, without containers, inside the checkout.

usage: stack [run]     start everything; Ctrl-C stops it, a second Ctrl-C ends it at once
       stack stop      stop what runs
       stack influxd   build InfluxDB if there is none yet, and print its path
       stack help | version

Every program gets the variables that it knows (bin/PROGRAM help). The launcher's own:
`

func run(ctx context.Context, p service.Process) error {
	command := "run"
	if len(p.Args) > 0 {
		command = p.Args[0]
	}
	switch command {
	case "help", "-h", "-help", "--help":
		fmt.Fprint(p.Stdout, help)
		return service.WriteVariables(p.Stdout, config{})
	case "version":
		fmt.Fprintln(p.Stdout, service.Version())
		return nil
	case "run", "stop", "influxd":
	default:
		return service.Usage(fmt.Errorf("no such command: %q (try help)", command))
	}
	root, err := findRoot(".")
	if err != nil {
		return err
	}
	if command == "influxd" {
		path, err := builder(root, p).Build(ctx)
		if err == nil {
			fmt.Fprintln(p.Stdout, path)
		}
		return err
	}
	c, err := service.ParseConfig[config](p.Environ)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(root, c.Data)
	}
	if command == "stop" {
		return stop(ctx, p.Stdout, c.Data)
	}
	return up(ctx, p, root, c)
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
