package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"colorstream/dashboard/influx"
	"colorstream/dashboard/proxy"
	"colorstream/generator/service"
)

// check tries what the configuration names and prints a line each. Without Grafana the page works,
// so that alone is no failure.
func check(ctx context.Context, p service.Process, c config) error {
	out := p.Stdout
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	source, err := influx.New(c.influx())
	if err != nil {
		return err
	}
	defer source.Close()
	err = source.Check(ctx)
	if err == nil {
		fmt.Fprintf(out, "ok    influxdb  bucket %s can be read\n", c.Influx.Bucket)
	} else {
		fmt.Fprintf(out, "FAIL  influxdb  %v\n", err)
		err = errors.New("the check failed: InfluxDB cannot be read")
	}
	grafana := proxy.New(slog.New(slog.DiscardHandler), c.proxy(), nil)
	if grafanaErr := grafana.Check(ctx); grafanaErr == nil {
		fmt.Fprintf(out, "ok    grafana   an anonymous viewer sees the dashboard %s\n", c.GrafanaUID)
	} else {
		fmt.Fprintf(out, "none  grafana   %v; the page draws its own chart\n", grafanaErr)
	}
	return err
}
