package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"colorstream/generator/service"
	"colorstream/influxdb/access"
)

//go:generate go test -run TestVariables . -update-docs

// config has the launcher's own variables and those by which the programs find each other. The
// latter have the same defaults as in the programs.
type config struct {
	Data     string   `env:"STACK_DATA" envDefault:"data" help:"folder of all data, in the checkout if not absolute"`
	External []string `env:"STACK_EXTERNAL" help:"of redis, influxdb and grafana, those that run already and are not started here"`
	Workers  int      `env:"WORKERS" envDefault:"1" help:"workers to start; several share the partitions of a stream, on the ports WORKER_ADDR, 10 above it, 20 above it and so on"`
	Cluster  bool     `env:"REDIS_CLUSTER" envDefault:"false" help:"start a Redis cluster of three masters and three replicas, on the port of REDIS_URL and the five above it"`

	RedisURL       string `env:"REDIS_URL" envDefault:"redis://localhost:6379/0" secret:"true" help:"where Redis is, or is to be"`
	RedisChannel   string `env:"REDIS_CHANNEL" envDefault:"colors" help:"the channel"`
	Influx         access.Config
	InfluxPipeline string `env:"INFLUX_PIPELINE_BUCKET" envDefault:"pipeline" help:"bucket of the programs' own metrics"`
	InfluxScrape   string `env:"INFLUX_SCRAPE" help:"whose metrics InfluxDB reads, and where; unset, of all that is started here"`
	InfluxUser     string `env:"INFLUX_ADMIN_USER" envDefault:"admin" help:"administrator"`
	GrafanaURL     string `env:"GRAFANA_URL" envDefault:"http://localhost:3000" help:"where Grafana is, or is to be"`
	GrafanaHome    string `env:"GRAFANA_HOME" help:"folder of an installed Grafana, if grafana is not on the PATH"`
	GeneratorAddr  string `env:"GENERATOR_ADDR" envDefault:"127.0.0.1:8052" help:"the generator's HTTP address"`
	WorkerAddr     string `env:"WORKER_ADDR" envDefault:"127.0.0.1:8051" help:"the worker's HTTP address"`
	DashboardAddr  string `env:"DASHBOARD_ADDR" envDefault:"127.0.0.1:8050" help:"the page's address"`
}

// addrOff is the generator's address where it is not to listen.
const addrOff = "off"

// servers are those that may be there already.
var servers = []string{"redis", "influxdb", "grafana"}

// Validate checks what the launcher itself needs; the programs check the rest.
func (c config) Validate() error {
	problems := []error{c.Influx.Validate()}
	if c.Workers < 1 || c.Workers > 100 {
		problems = append(problems, service.Invalid("WORKERS", c.Workers, "must be from 1 to 100"))
	}
	for _, name := range c.External {
		if !slices.Contains(servers, name) {
			problems = append(problems, service.Invalid("STACK_EXTERNAL", strings.Join(c.External, ","),
				fmt.Sprintf("%q is none of redis, influxdb and grafana", name)))
		}
	}
	return errors.Join(problems...)
}

// local returns the host and port of a server's address, or "" if it is not to be started here:
// because it is on another machine, or the user runs it.
func (c config) local(name, address, defaultPort string) string {
	u, err := url.Parse(address)
	if err != nil || slices.Contains(c.External, name) {
		return ""
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = defaultPort
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return ""
	}
	return net.JoinHostPort(host, port)
}

// above returns an address with a port that many numbers higher.
func above(addr string, n int) string {
	host, port, err := net.SplitHostPort(addr)
	number, numberErr := strconv.Atoi(port)
	if err != nil || numberErr != nil {
		return addr // nobody can listen there: the check of the ports says so
	}
	return net.JoinHostPort(host, strconv.Itoa(number+n))
}

// reach turns an address to listen on into one to connect to from this machine.
func reach(addr string) string {
	host, port, _ := net.SplitHostPort(addr) // the check of the ports rejects what is no address
	if host == "" || net.ParseIP(host).IsUnspecified() {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
