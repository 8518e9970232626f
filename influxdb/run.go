// Influxdb prepares an InfluxDB 2 server for the other programs: see package setup. It runs before
// them, once, and is done; to run it again harms nothing.
package main

import (
	"context"
	"errors"

	"colorstream/generator/service"
	"colorstream/influxdb/setup"
)

const about = `influxdb prepares an InfluxDB 2 server for Colorstream: it waits for the server, sets it up if it
is new, and sees to the organisation, the buckets with their retention, a token in a file for each
program that uses them, and that InfluxDB reads the programs' metrics into the bucket pipeline. What is
there already is kept.`

func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "influxdb", About: about, Config: config{},
		Commands: []service.Command{{
			Usage: "run", Help: "prepare the server, then end",
			Run: service.Configured(prepare),
		}},
	}.Run(ctx, p)
}

func prepare(ctx context.Context, p service.Process, c config) error {
	log := c.New(p.Stderr, "influxdb")
	plan := c.plan()
	admin := setup.Admin{User: c.User, Password: c.Password}
	if err := setup.Apply(ctx, log, c.Config, c.Timeout, admin, plan); err != nil {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		return err
	}
	log.Info("InfluxDB is ready", "url", c.URL,
		"org", c.Org, "bucket", c.Bucket, "retention", c.Retention, "tokens", c.TokenDir,
		"pipeline", c.PipelineBucket, "scrapers", len(plan.Scrapers))
	return nil
}
