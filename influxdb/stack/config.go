package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"colorstream/generator/service"
)

// config has the launcher's own variables and those by which the programs find each other. The latter have the
// same defaults as in the programs.
type config struct {
	Data     string   `env:"STACK_DATA" envDefault:"data" help:"folder of all data, in the checkout if not absolute"`
	External []string `env:"STACK_EXTERNAL" help:"of redis, influxdb and grafana, those that run already and are not started here"`

	RedisURL       string `env:"REDIS_URL" envDefault:"redis://localhost:6379/0" secret:"true" help:"where Redis is, or is to be"`
	RedisChannel   string `env:"REDIS_CHANNEL" envDefault:"colors" help:"the channel"`
	InfluxURL      string `env:"INFLUX_URL" envDefault:"http://localhost:8086" help:"where InfluxDB is, or is to be"`
	InfluxOrg      string `env:"INFLUX_ORG" envDefault:"colors" help:"organisation"`
	InfluxBucket   string `env:"INFLUX_BUCKET" envDefault:"color_data" help:"bucket"`
	InfluxPipeline string `env:"INFLUX_PIPELINE_BUCKET" envDefault:"pipeline" help:"bucket of the programs' own metrics"`
	InfluxScrape   string `env:"INFLUX_SCRAPE" help:"whose metrics InfluxDB reads, and where; unset, of all that is started here"`
	InfluxUser     string `env:"INFLUX_ADMIN_USER" envDefault:"admin" help:"administrator"`
	GrafanaURL     string `env:"GRAFANA_URL" envDefault:"http://localhost:3000" help:"where Grafana is, or is to be"`
	GrafanaHome    string `env:"GRAFANA_HOME" help:"folder of an installed Grafana, if grafana is not on the PATH"`
	GeneratorAddr  string `env:"GENERATOR_ADDR" envDefault:"127.0.0.1:8052" help:"the generator's HTTP address"`
	WorkerAddr     string `env:"WORKER_ADDR" envDefault:"127.0.0.1:8051" help:"the worker's HTTP address"`
	DashboardAddr  string `env:"DASHBOARD_ADDR" envDefault:"127.0.0.1:8050" help:"the page's address"`
}

var externals = []string{"redis", "influxdb", "grafana"}

// Validate checks what the launcher itself needs; the programs check the rest.
func (c config) Validate() error {
	var problems []error
	for _, name := range c.External {
		if !slices.Contains(externals, name) {
			problems = append(problems, service.Invalid("STACK_EXTERNAL", strings.Join(c.External, ","),
				fmt.Sprintf("%q is none of %s", name, strings.Join(externals, ", "))))
		}
	}
	for variable, text := range map[string]string{"INFLUX_URL": c.InfluxURL, "GRAFANA_URL": c.GrafanaURL} {
		if u, err := url.Parse(text); err != nil || u.Host == "" {
			problems = append(problems, service.Invalid(variable, text, "is not an address such as http://localhost:8086"))
		}
	}
	if _, err := url.Parse(c.RedisURL); err != nil {
		problems = append(problems, service.Invalid("REDIS_URL", "", "is not an address such as redis://localhost:6379/0"))
	}
	for variable, addr := range map[string]string{
		"GENERATOR_ADDR": c.GeneratorAddr, "WORKER_ADDR": c.WorkerAddr, "DASHBOARD_ADDR": c.DashboardAddr,
	} {
		if _, _, err := net.SplitHostPort(addr); err != nil && (variable != "GENERATOR_ADDR" || addr != addrOff) {
			problems = append(problems, service.Invalid(variable, addr, "is not an address such as 127.0.0.1:8050"))
		}
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

// addrOff is what the generator's address is where it should not listen.
const addrOff = "off"

// ours tells whether the server at address is to be started here, and on which host and port: those on other
// machines are not, nor those that the user runs.
func (c config) ours(name, address, defaultPort string) (listen string, ours bool) {
	u, err := url.Parse(address)
	if err != nil || slices.Contains(c.External, name) {
		return "", false
	}
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = defaultPort
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip := net.ParseIP(host)
	return net.JoinHostPort(host, port), ip != nil && ip.IsLoopback()
}

// reach turns an address to listen on into one to connect to.
func reach(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback())) {
		host = "localhost"
	}
	return net.JoinHostPort(host, port)
}
