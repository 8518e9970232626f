package main

import (
	"testing"
	"time"

	"colorstream/generator/certs/certstest"
	"colorstream/grafana/grafanatest"
	"colorstream/influxdb/influxtest"
)

// The data source reads an InfluxDB whose certificate a private authority signed, and which asks for
// Grafana's own.
func TestDataSourceWithCertificates(t *testing.T) {
	db, authority := influxtest.Start(t), certstest.New(t)
	fill(t, db, 10*time.Minute)
	files := authority.Issue(t, t.TempDir())
	secure := *db
	secure.URL = authority.ServeFor(t, db.URL).URL
	for variable, file := range map[string]string{
		"INFLUX_CA": files.CA, "INFLUX_CERT": files.Cert, "INFLUX_KEY": files.Key,
	} {
		t.Setenv(variable, "$__file{"+file+"}")
	}
	g := grafanatest.Start(t, grafanatest.Options{Influx: &secure})
	if n, err := points(g, meanQuery(t)); err != nil || n < 50 {
		t.Errorf("a query: %v, %d points", err, n)
	}
}
