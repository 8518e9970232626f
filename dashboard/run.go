package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"golang.org/x/sync/errgroup"

	"colorstream/dashboard/influx"
	"colorstream/dashboard/latest"
	"colorstream/dashboard/web"
	"colorstream/generator/service"
	"colorstream/influxdb/series"
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

func serve(ctx context.Context, log *slog.Logger, c config, environ map[string]string) error {
	for _, name := range service.UnknownVariables(environ, "DASHBOARD_", c) {
		log.Warn("unknown variable ignored: is its name misspelt?", "variable", name)
	}
	listener, err := service.Listen("DASHBOARD_ADDR", c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()

	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	source := influx.New(influx.Config{URL: c.InfluxURL, Org: c.InfluxOrg, Bucket: c.InfluxBucket, Token: c.InfluxToken})
	defer source.Close()
	reader := latest.NewReader(log, source, func(latest.Snapshot, []series.Point) {}, latest.Config{
		Refresh: c.Refresh, Lookback: c.Lookback, Window: c.Window,
	})
	page, err := web.New(log, reader, web.Config{Window: c.Window, Stale: c.Stale})
	if err != nil {
		return err
	}

	health := &service.Health{}
	health.Probe("influxdb", func() error { return reader.Snapshot().Failure })
	mux := service.Mux(health, registry)
	page.Register(mux)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reader.Run(ctx) })
	group.Go(func() error { return service.Serve(ctx, log, listener, mux) })
	log.Info("serving", "url", "http://"+listener.Addr().String(), "config", service.LogValue(c))
	return group.Wait()
}

// check tries what the configuration names and prints a line each.
func check(ctx context.Context, out io.Writer, c config) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	source := influx.New(influx.Config{URL: c.InfluxURL, Org: c.InfluxOrg, Bucket: c.InfluxBucket, Token: c.InfluxToken})
	defer source.Close()
	failed := false
	report := func(name string, err error) {
		if err != nil {
			failed = true
			fmt.Fprintf(out, "%-9s FAIL  %v\n", name, err)
			return
		}
		fmt.Fprintf(out, "%-9s ok\n", name)
	}
	report("influxdb", source.Check(ctx))
	report("grafana", checkGrafana(ctx, c.GrafanaURL))
	if failed {
		return errors.New("the check failed")
	}
	return nil
}

func checkGrafana(ctx context.Context, address string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/api/health", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w (is Grafana running at GRAFANA_URL=%s?)", err, address)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s (is GRAFANA_URL Grafana's address?)", request.URL, response.Status)
	}
	return nil
}
