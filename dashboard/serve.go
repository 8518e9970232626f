package main

import (
	"context"
	"net/http"
	"path"
	"strings"
	"time"
	_ "time/tzdata" // charts are drawn in the reader's time zone, also in an image without one

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"colorstream/dashboard/influx"
	"colorstream/dashboard/latest"
	"colorstream/dashboard/proxy"
	"colorstream/dashboard/web"
	"colorstream/generator/service"
)

// serve puts the parts together and runs them until ctx ends:
//
//	InfluxDB ◄── reader ──► page ──► browsers        one reader, however many browsers
//	InfluxDB ◄───────────── page                     for charts
//	Grafana  ◄── proxy ◄── every path that is not the page's own
func serve(ctx context.Context, p service.Process, c config) error {
	log := c.Log.New(p.Stderr, "dashboard")
	for _, name := range service.UnknownVariables(p.Environ, "DASHBOARD_", c) {
		log.Warn("unknown variable ignored: is its name misspelt?", "variable", name)
	}
	listener, err := service.Listen("DASHBOARD_ADDR", c.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()

	registry, health := prometheus.NewRegistry(), &service.Health{}
	service.Register(registry, "dashboard", health)

	grafana := proxy.New(log, c.proxy(), registry)
	source, err := influx.New(c.influx())
	if err != nil {
		return err
	}
	defer source.Close()
	page := web.New(log, source, grafana.Panels, registry, web.Config{
		Window: c.Window, Stale: c.Stale, Lookback: c.Lookback, Refresh: c.Refresh, Clients: c.Clients,
		DashboardUID: c.GrafanaUID,
	})
	reader := latest.NewReader(log, source, page.Publish, latest.Config{
		Refresh: c.Refresh, Lookback: c.Lookback, Window: c.Window, Lateness: c.lateness(),
		Limit: c.MaxColors,
	})

	health.Probe("influxdb", func() error { return reader.Snapshot().Failure })
	own := service.Mux(health, registry)
	page.Register(own)
	own.HandleFunc("/d/", dashboards(c.GrafanaPublicURL))
	handler := web.Protect(c.User, c.Password, split(own, grafana))
	handler = web.Under(c.Prefix, c.TrustProxy, handler)

	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return reader.Run(ctx) })
	group.Go(func() error { return grafana.Run(ctx) })
	group.Go(func() error { return page.Run(ctx) })
	group.Go(func() error { return service.Serve(ctx, log, listener, handler) })
	group.Go(func() error { return service.ServeProfiles(ctx, log, "DASHBOARD_PPROF_ADDR", c.Pprof) })
	log.Info("serving", "version", service.Version(), "url", "http://"+listener.Addr().String(),
		"config", service.LogValue(c))
	err = group.Wait()
	log.Info("stopped")
	return err
}

// split gives the paths of the page and of operators to own, and all else, as it came, to others:
// no path is cleaned before these see it.
func split(own *http.ServeMux, others http.Handler) http.Handler {
	secure := web.Secure(own)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, pattern := own.Handler(r)
		isClean := r.URL.Path == "/" || path.Clean(r.URL.Path) == strings.TrimSuffix(r.URL.Path, "/")
		if pattern != "" && isClean {
			secure.ServeHTTP(w, r)
			return
		}
		others.ServeHTTP(w, r)
	})
}

// dashboards sends who asks for a whole dashboard, as links in the embedded panels do, to Grafana
// itself. Nothing but the path and the query is taken along, and nothing of it reaches Grafana from
// here.
func dashboards(publicURL string) http.HandlerFunc {
	grafana := parsed(publicURL)
	return func(w http.ResponseWriter, r *http.Request) {
		target := grafana.JoinPath(r.URL.EscapedPath())
		target.RawQuery = r.URL.RawQuery
		http.Redirect(w, r, target.String(), http.StatusFound)
	}
}

// lateness is how long after its end the worker may write a window again.
func (c config) lateness() time.Duration {
	if c.Lateness == nil {
		return c.Window
	}
	return *c.Lateness
}

func (c config) influx() influx.Config {
	return influx.Config{Config: c.Influx, Token: c.Token}
}

func (c config) proxy() proxy.Config {
	return proxy.Config{
		Upstream: parsed(c.GrafanaURL), DashboardUID: c.GrafanaUID, DataSourceUID: c.GrafanaSource,
		TrustProxy: c.TrustProxy, Prefix: web.Prefix,
	}
}
