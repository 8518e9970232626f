package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"colorstream/dashboard/influx"
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
	if grafanaErr := checkGrafana(ctx, c); grafanaErr == nil {
		fmt.Fprintf(out, "ok    grafana   an anonymous viewer sees the dashboard %s\n", c.GrafanaUID)
	} else {
		fmt.Fprintf(out, "none  grafana   %v; the page draws its own chart\n", grafanaErr)
	}
	return err
}

func checkGrafana(ctx context.Context, c config) error {
	address := strings.TrimSuffix(c.GrafanaURL, "/") + "/api/dashboards/uid/" + c.GrafanaUID
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("%w (is Grafana running at GRAFANA_URL=%s?)", err, c.GrafanaURL)
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("GRAFANA_URL=%s does not let anonymous viewers in (GF_AUTH_ANONYMOUS_ENABLED)",
			c.GrafanaURL)
	case http.StatusNotFound:
		return fmt.Errorf("GRAFANA_URL=%s has no dashboard with the uid %s (DASHBOARD_GRAFANA_UID)",
			c.GrafanaURL, c.GrafanaUID)
	}
	return fmt.Errorf("%s answers %s", address, response.Status)
}
