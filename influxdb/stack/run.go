// Stack runs the whole of Colorstream on one machine, without containers: Redis, InfluxDB, workers,
// the generator, the page, and Grafana where it is installed.
//
// It needs the programs in the checkout's folder bin, where make builds them; InfluxDB is built
// once (see package influxd), Redis and Grafana are the machine's. All data lies in one folder. It
// is a launcher for trying and developing, not an init system: what dies is not restarted, it takes
// the rest down. On Linux the kernel ends all programs with a launcher that is killed; elsewhere
// they run on.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"colorstream/generator/service"
	"colorstream/influxdb/influxd"
)

const about = `stack runs all of Colorstream on this machine, without containers. Run it in the checkout, after
make build.`

const notes = `Every program gets the variables that it knows: ` + "`bin/PROGRAM help`" +
	` lists them.

`

func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "stack", About: about, Notes: notes, Config: config{},
		Commands: []service.Command{
			{
				Usage: "run", Help: "start everything; Ctrl-C stops it, a second Ctrl-C ends it at once",
				Run: service.Configured(up),
			},
			{Usage: "stop", Help: "stop what runs", Run: service.Configured(down)},
			{
				Usage: "influxd", Help: "build InfluxDB if there is none yet, and print its path",
				Run: buildInfluxd,
			},
		},
	}.Run(ctx, p)
}

func down(ctx context.Context, p service.Process, c config) error {
	return stop(ctx, p.Stdout, c.Data)
}

func buildInfluxd(ctx context.Context, p service.Process) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	path, err := influxd.Build(ctx, serverModule(root), p.Stderr, getenv(p.Environ))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, path)
	return err
}

// serverModule is the folder that says which InfluxDB is built, and how.
func serverModule(root string) string { return filepath.Join(root, "influxdb", "server") }

func getenv(environ map[string]string) func(string) string {
	return func(name string) string { return environ[name] }
}

// checkout is the working folder, which must be the repository.
func checkout() (string, error) {
	if _, err := os.Stat("influxdb/server/go.mod"); err != nil {
		return "", fmt.Errorf("run this in the checkout: %w", err)
	}
	return os.Getwd()
}
