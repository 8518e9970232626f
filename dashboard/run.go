package main

import (
	"context"
	"fmt"
	"io"

	"colorstream/generator/service"
)

const usage = `dashboard serves the page that shows the newest statistics of every colour.

usage: dashboard              serve the page until interrupted
       dashboard check        try the configuration: InfluxDB, the token, Grafana
       dashboard healthcheck  succeed if a running page answers at DASHBOARD_ADDR
       dashboard version      print the version
       dashboard help         print this

environment:
`

// run is the program.
func run(ctx context.Context, p service.Process) error {
	command := ""
	if len(p.Args) > 0 {
		command = p.Args[0]
	}
	if len(p.Args) > 1 {
		return service.Usage(fmt.Errorf("unexpected argument %q: run with `help` to see what there is", p.Args[1]))
	}
	switch command {
	case "help", "-h", "-help", "--help":
		return help(p.Stdout)
	case "version":
		_, err := fmt.Fprintln(p.Stdout, service.Version())
		return err
	case "healthcheck":
		return healthcheck(ctx, p.Environ)
	}
	c, err := service.ParseConfig[config](p.Environ)
	if err != nil {
		return err
	}
	switch command {
	case "":
		return serve(ctx, c.Log.New(p.Stderr, "dashboard"), c, p.Environ)
	case "check":
		return check(ctx, p.Stdout, c)
	}
	return service.Usage(fmt.Errorf("unknown command %q: run with `help` to see what there is", command))
}

func help(w io.Writer) error {
	if _, err := io.WriteString(w, usage); err != nil {
		return err
	}
	return service.WriteVariables(w, config{})
}

// healthcheck needs no token, as a container's check may be without.
func healthcheck(ctx context.Context, environ map[string]string) error {
	type address struct {
		Addr string `env:"DASHBOARD_ADDR" envDefault:"127.0.0.1:8050"`
	}
	c, err := service.ParseConfig[address](environ)
	if err != nil {
		return err
	}
	return service.CheckHealth(ctx, c.Addr)
}
