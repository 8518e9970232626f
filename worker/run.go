package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"golang.org/x/sync/errgroup"

	"colorstream/generator/service"
	"colorstream/worker/history"
	"colorstream/worker/influx"
	"colorstream/worker/store"
)

const about = `worker receives colour messages from Redis, computes mean, median, minimum, maximum, sum and count
(or other statistics) of each colour over windows of time, and writes them to InfluxDB 2.`

// run is the program.
func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "worker", About: about, Config: config{}, Addr: "WORKER_ADDR",
		Commands: []service.Command{
			{Usage: "run", Help: "work until interrupted", Run: service.Configured(start)},
			{
				Usage: "import FILE...", Help: "write files of any time to InfluxDB, without Redis (worker import --help)",
				Run: history.Run,
			},
			{
				Usage: "check", Help: "try the configuration: Redis, InfluxDB and the data folder",
				Run: service.Configured(check),
			},
		},
	}.Run(ctx, p)
}

// start runs the worker, and HTTP beside it, until ctx ends. HTTP is served until the last window
// is stored.
func start(ctx context.Context, p service.Process, cfg config) error {
	log := cfg.Log.New(p.Stderr, "worker")
	log.Info("starting", "version", service.Version(), "config", cfg)
	for _, name := range service.UnknownVariables(p.Environ, "WORKER_", cfg) {
		log.Warn("no such variable: it is ignored (worker help lists all)", "variable", name)
	}
	logging.Disable() // go-redis repeats with every attempt what the worker says once
	// The worker holds little between two windows: without this the garbage collector would run dozens
	// of times a second.
	debug.SetGCPercent(400)
	target, err := cfg.Redis.Target()
	if err != nil {
		return service.Usage(err)
	}
	listener, err := service.Listen("WORKER_ADDR", cfg.Addr)
	if err != nil {
		return err
	}
	defer listener.Close()
	client, err := newClient(cfg)
	if err != nil {
		return service.Usage(err)
	}
	defer client.Close()
	commands := target.Open(func(o *redis.Options) {
		// Each partition waits for entries in a pipeline, while its lease is renewed and it commits.
		o.PipelinePoolSize, o.PoolSize = cfg.Partitions, 10+2*cfg.Partitions
		o.PipelineReadBufferSize = max(512<<10/cfg.Partitions, 128<<10)
	})
	defer commands.Close()

	var health service.Health
	redisState := health.Condition("redis", "not connected yet")
	registry := prometheus.NewRegistry()
	labelled := prometheus.Registerer(registry)
	// there may be several workers, and InfluxDB's scraper does not tell which it reads
	if cfg.Transport == stream {
		labelled = prometheus.WrapRegistererWith(
			prometheus.Labels{"instance": instance(listener.Addr())}, registry)
	}
	service.Register(labelled, "worker", &health)
	m := newMetrics(labelled)
	to := newSenders(log, client, commands.Node, cfg.Channel+":rejected", cfg.replicas(), m)

	var running func(context.Context) error
	var stats func() store.Stats
	if cfg.Transport == stream {
		p := newPartitions(log, cfg, commands, m, to, redisState)
		running, stats = p.run, p.stats
	} else {
		w, messages, file, err := newPubSub(ctx, log, cfg, target.Options(), m, to, redisState.Set)
		if err != nil {
			return err
		}
		defer file.Close()
		m.watchPubSub(cfg, messages.Reconnects)
		health.Probe("store", w.commits.state)
		running, stats = w.run, file.Stats
	}
	m.watchStore(stats)
	health.Probe("influxdb", func() error {
		return delivered(cfg, stats(), to.lines.LastError(), time.Now())
	})
	defer func() {
		t := m.counted()
		log.Info("stopped", "received", t.received(), "accepted", t.accepted, "rejected",
			t.received()-t.accepted,
			"windows", t.closed, "waiting", stats().Batches)
	}()
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		return service.Serve(serving, log, listener, service.Mux(&health, registry))
	})
	group.Go(func() error {
		return service.ServeProfiles(serving, log, "WORKER_PPROF_ADDR", cfg.Pprof)
	})
	group.Go(func() error {
		defer stopServing()
		return running(ctx)
	})
	return group.Wait()
}

func newClient(cfg config) (*influx.Client, error) {
	return influx.New(influx.Config{Config: cfg.Influx, Token: cfg.Token})
}

// instance names this worker among several: its host and port.
func instance(addr net.Addr) string {
	_, port, _ := net.SplitHostPort(addr.String())
	host, err := os.Hostname()
	if err != nil {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}

// delivered reports why InfluxDB does not keep up, if the oldest window has waited for longer than
// three windows' time.
func delivered(cfg config, stats store.Stats, lastError error, now time.Time) error {
	if stats.Oldest.IsZero() || now.Sub(stats.Oldest) < 3*cfg.Window {
		return nil
	}
	if lastError == nil {
		lastError = errors.New("it is slow, or there is much to send")
	}
	return fmt.Errorf("the oldest window has waited for InfluxDB for %v: %w",
		now.Sub(stats.Oldest).Round(time.Second), lastError)
}
