package main

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"colorstream/generator/service"
	"colorstream/influxdb/influxd"
)

// part is one step of the start.
type part struct {
	name     string
	addr     string // where it is to listen
	variable string // the one that says so
	start    func(context.Context) error
}

// scaleOut decides what several workers and a Redis cluster need of all programs.
func (s *stack) scaleOut() error {
	for i := range s.Workers {
		s.workers = append(s.workers, above(s.WorkerAddr, 10*i))
	}
	if !s.Cluster && s.Workers == 1 {
		return nil
	}
	if t := s.environ["REDIS_TRANSPORT"]; t != "" && t != "stream" {
		return service.Usage(service.Invalid("REDIS_TRANSPORT", t,
			"must be stream with WORKERS above 1 or REDIS_CLUSTER=1: only a stream has partitions"))
	}
	s.environ["REDIS_TRANSPORT"] = "stream"
	s.environ["REDIS_PARTITIONS"] = cmp.Or(s.environ["REDIS_PARTITIONS"], "12")
	return nil
}

// parts lists all that is to be started, such that each finds there what it needs.
func (s *stack) parts() []part {
	var parts []part
	add := func(name, addr, variable string, start func(context.Context) error) {
		parts = append(parts, part{name, addr, variable, start})
	}
	if s.redis.listen != "" {
		for i, addr := range s.nodes() {
			add("redis", addr, "REDIS_URL", func(ctx context.Context) error {
				return s.startRedis(ctx, i)
			})
		}
	}
	if s.influx.listen != "" {
		add("influxdb", s.influx.listen, "INFLUX_URL", s.startInfluxDB)
	}
	add("its preparation", addrOff, "", func(ctx context.Context) error {
		return s.command(ctx, "influxdb", map[string]string{
			"INFLUX_TOKEN_DIR": s.tokens(), "INFLUX_TOKEN_GROUPS": "", "INFLUX_SCRAPE": s.scrape(),
		})
	})
	if s.grafana.listen != "" { // it takes its time, which the others need not wait for
		add("grafana", s.grafana.listen, "GRAFANA_URL", s.startGrafana)
	}
	add("the page", s.DashboardAddr, "DASHBOARD_ADDR", func(ctx context.Context) error {
		set := s.token("dashboard")
		set["GRAFANA_PUBLIC_URL"] = cmp.Or(s.environ["GRAFANA_PUBLIC_URL"], s.GrafanaURL)
		return s.program(ctx, "dashboard", "dashboard", s.DashboardAddr, set)
	})
	for i, addr := range s.workers {
		add(s.workerName(i), addr, "WORKER_ADDR", func(ctx context.Context) error {
			set := s.token("worker")
			set["WORKER_ADDR"] = addr
			data := filepath.Join(s.Data, "worker")
			set["WORKER_DATA_DIR"] = cmp.Or(s.environ["WORKER_DATA_DIR"], data)
			if i > 0 {
				set["WORKER_PPROF_ADDR"] = "" // that address is the first one's
			}
			return s.program(ctx, s.workerName(i), "worker", addr, set)
		})
	}
	add("the generator", s.GeneratorAddr, "GENERATOR_ADDR", func(ctx context.Context) error {
		// It may have a long file to sort before it answers, or be done before it is asked.
		return s.program(ctx, "generator", "generator", addrOff, nil)
	})
	if s.grafana.listen != "" {
		add("grafana", addrOff, "", func(ctx context.Context) error {
			url := "http://" + s.grafana.listen + "/api/health"
			return s.grafana.process.WaitHTTP(ctx, grafanaTimeout, url, "")
		})
	}
	return parts
}

func (s *stack) workerName(i int) string {
	if s.Workers == 1 {
		return "worker"
	}
	return fmt.Sprint("worker-", i+1)
}

func (s *stack) startInfluxDB(ctx context.Context) error {
	out := &lineWriter{out: s.out, name: "influxdb"}
	binary, err := influxd.Build(ctx, serverModule(s.root), out, getenv(s.environ))
	if err != nil {
		return err
	}
	log, err := s.log("influxd")
	if err != nil {
		return err
	}
	db, err := influxd.Start(ctx, influxd.Config{
		Binary: binary, Addr: s.influx.listen, Dir: filepath.Join(s.Data, "influxdb"), Log: log,
	})
	if err == nil {
		s.children = append(s.children, child{"influxd", db})
	}
	return err
}

// scrape lists what InfluxDB, on this machine, reads the metrics of.
func (s *stack) scrape() string {
	if s.InfluxScrape != "" {
		return s.InfluxScrape
	}
	if s.influx.listen == "" {
		return "off" // who knows whether it reaches this machine
	}
	var targets []string
	add := func(name, addr string) {
		if addr != addrOff {
			targets = append(targets, name+"=http://"+reach(addr)+"/metrics")
		}
	}
	add("influxdb", s.influx.listen)
	add("page", s.DashboardAddr)
	add("generator", s.GeneratorAddr)
	for i, addr := range s.workers {
		add(s.workerName(i), addr)
	}
	return strings.Join(targets, ",")
}
