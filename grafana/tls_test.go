package main

import (
	"testing"
	"time"

	"colorstream/generator/certs/certstest"
	"colorstream/grafana/grafanatest"
	"colorstream/influxdb/influxtest"
)

// The data source reads an InfluxDB whose certificate a private authority signed, and which asks
// for Grafana's own.
func TestDataSourceWithCertificates(t *testing.T) {
	t.Parallel()
	grafanatest.Need(t)
	db, authority := influxtest.Start(t), certstest.New(t)
	fill(t, db, 10*time.Minute)
	files := authority.Issue(t, t.TempDir())
	secure := *db
	secure.URL = authority.ServeFor(t, db.URL).URL
	g := grafanatest.Start(t, grafanatest.Options{Influx: &secure, Environ: []string{
		"INFLUX_CA=$__file{" + files.CA + "}", "INFLUX_CERT=$__file{" + files.Cert + "}",
		"INFLUX_KEY=$__file{" + files.Key + "}",
	}})
	if n, err := points(g, fluxOf(t, "colors/1/A")); err != nil || n < 50 {
		t.Errorf("a query: %v, %d points", err, n)
	}
}
