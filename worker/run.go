package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"colorstream/generator/service"
)

const summary = `The worker receives colour messages from Redis, computes mean, median, minimum, maximum and count of each colour
over windows of time, and writes them to InfluxDB 2.

Usage:
  worker [run]              work until interrupted (the default)
  worker check              try the configuration: Redis, InfluxDB and the spool folder
  worker spool ls           what waits for InfluxDB; also verify, export, resend (worker spool help)
  worker healthcheck        ask a running worker whether it lives
  worker version
  worker help

Variables:
`

// run is the program.
func run(ctx context.Context, p service.Process) error {
	command := "run"
	if len(p.Args) > 0 {
		command = p.Args[0]
	}
	switch command {
	case "help", "-h", "-help", "--help":
		if _, err := io.WriteString(p.Stdout, summary); err != nil {
			return err
		}
		return service.WriteVariables(p.Stdout, config{})
	case "version", "-version", "--version":
		_, err := fmt.Fprintln(p.Stdout, "worker", service.Version())
		return err
	case "run", "check", "healthcheck", "spool":
	default:
		return service.Usage(fmt.Errorf("unknown command %q: try worker help", command))
	}
	if command == "spool" {
		return spoolCommand(ctx, p, p.Args[1:])
	}
	if len(p.Args) > 1 {
		return service.Usage(fmt.Errorf("%s takes no arguments, and got %q", command, p.Args[1:]))
	}
	if command == "healthcheck" {
		// A container's healthcheck has the environment of the program, but need not have the secrets.
		addr := p.Environ["WORKER_ADDR"]
		if addr == "" {
			addr = "127.0.0.1:8051"
		}
		return service.CheckHealth(ctx, addr)
	}
	cfg, err := service.ParseConfig[config](p.Environ)
	if err != nil {
		return err
	}
	if command == "check" {
		logging.Disable() // go-redis would print each attempt
		return check(ctx, cfg, p.Stdout)
	}
	log := cfg.Log.New(p.Stderr, "worker")
	log.Info("starting", "version", service.Version(), "config", cfg)
	for _, name := range service.UnknownVariables(p.Environ, "WORKER_", cfg) {
		log.Warn("no such variable: it is ignored (worker help lists all)", "variable", name)
	}
	redis.SetLogger(redisLog{log})
	return work(ctx, log, cfg)
}

// redisLog keeps go-redis's own log lines, which repeat with every attempt what the source says once.
type redisLog struct{ log *slog.Logger }

func (l redisLog) Printf(ctx context.Context, format string, v ...any) {
	l.log.DebugContext(ctx, strings.TrimSpace(fmt.Sprintf(format, v...)), "from", "go-redis")
}
