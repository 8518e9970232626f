package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"colorstream/generator/process"
	"colorstream/generator/service"
	"colorstream/grafana/lint"
	"colorstream/influxdb/access"
	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxd"
	"colorstream/influxdb/setup"
)

// What the InfluxDB that lives for one run is set up with.
const (
	lintOrg      = "lint"
	lintBucket   = "points"
	lintPipeline = "metrics"
	lintToken    = "the-token-of-a-server-that-lives-for-seconds"
	lintPassword = "adminpassword"
)

// lintAll prints every problem and fails if there is one.
func lintAll(ctx context.Context, p service.Process, dir string) error {
	set, err := lint.Load(os.DirFS(dir))
	if err != nil {
		return err
	}
	problems := lint.Check(set)
	ran := ""
	found, err := runQueries(ctx, p.Environ, set)
	switch {
	case errors.Is(err, influxd.ErrNotBuilt) && p.Environ["CI"] != "true":
		ran = "; their queries were not run, as " + err.Error() + ": run `make influxd` once"
	case err != nil:
		return fmt.Errorf("run the queries: %w", err)
	default:
		problems = append(problems, found...)
		ran = fmt.Sprintf("; their %d queries work", len(set.Queries()))
	}
	for _, problem := range problems {
		fmt.Fprintln(p.Stdout, problem)
	}
	if n := len(problems); n > 0 {
		word := map[bool]string{true: "problem", false: "problems"}[n == 1]
		return fmt.Errorf("%d %s in dashboards and alert rules", n, word)
	}
	_, err = fmt.Fprintf(p.Stdout, "%d dashboards and %d alert rules are in order%s\n",
		len(set.Dashboards), len(set.Rules()), ran)
	return err
}

// runQueries starts an InfluxDB, fills it with sample data and runs the set's queries on it.
func runQueries(
	ctx context.Context, environ map[string]string, set *lint.Set,
) (_ []lint.Problem, err error) {
	binary, err := influxd.Find(func(name string) string { return environ[name] })
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "lint-dashboards-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	addr := process.FreeAddr()
	server, err := influxd.Start(ctx, influxd.Config{
		Binary: binary, Addr: addr, Dir: filepath.Join(dir, "influxdb"), Log: io.Discard,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, server.Stop(influxd.StopTimeout)) }()
	url := "http://" + addr
	admin := setup.Admin{User: "admin", Password: lintPassword, Token: lintToken}
	err = setup.Apply(ctx, slog.New(slog.DiscardHandler), access.Config{URL: url}, time.Minute, admin,
		setup.Plan{
			Org: lintOrg, Buckets: []setup.Bucket{{Name: lintBucket}, {Name: lintPipeline}},
			Folder: setup.Folder{Path: filepath.Join(dir, "tokens")},
		})
	if err != nil {
		return nil, err
	}
	client := flux.Client{URL: url, Org: lintOrg, Token: lintToken}
	return checkQueries(ctx, client, lintBucket, lintPipeline, set)
}
