package main

import (
	"context"

	"colorstream/generator/service"
)

// run is the program.
func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "dashboard", About: "dashboard serves the page that shows the newest statistics of every colour.",
		Config: config{}, Addr: "DASHBOARD_ADDR",
		Commands: []service.Command{
			{Usage: "run", Help: "serve the page until interrupted", Run: service.Configured(serve)},
			{
				Usage: "check", Help: "try the configuration: InfluxDB, the token, Grafana",
				Run: service.Configured(check),
			},
		},
	}.Run(ctx, p)
}
