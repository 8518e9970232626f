package main

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"time"

	"colorstream/dashboard/web"
	"colorstream/generator/service"
	"colorstream/influxdb/access"
)

//go:generate go test -run "TestVariables|Documented" . -update-docs

// config is everything that the environment says. The help texts are what `help` prints.
type config struct {
	Influx access.Config
	Token  string `env:"INFLUX_TOKEN,notEmpty" secret:"true" help:"a token that may read the bucket"`

	GrafanaURL       string `env:"GRAFANA_URL" envDefault:"http://localhost:3000" help:"where the page reaches Grafana"`
	GrafanaPublicURL string `env:"GRAFANA_PUBLIC_URL" envDefault:"http://localhost:3000" help:"where readers of the page reach Grafana"`
	GrafanaUID       string `env:"DASHBOARD_GRAFANA_UID" envDefault:"colors" help:"uid of the Grafana dashboard whose panels 1 to 4 are shown"`
	GrafanaSource    string `env:"DASHBOARD_GRAFANA_DATASOURCE" envDefault:"colorstream-influxdb" help:"uid of the only Grafana data source that the page's readers may query"`

	Addr     string        `env:"DASHBOARD_ADDR" envDefault:"127.0.0.1:8050" help:"address to listen on"`
	User     string        `env:"DASHBOARD_USER" help:"if set, the page asks for this user name and the password"`
	Password string        `env:"DASHBOARD_PASSWORD" secret:"true" help:"the password; without TLS in front it travels in clear"`
	Clients  int           `env:"DASHBOARD_CLIENTS" envDefault:"5000" help:"browsers that may follow the live updates at a time"`
	Refresh  time.Duration `env:"DASHBOARD_REFRESH" envDefault:"5s" help:"how often InfluxDB is read, and the panel's refresh"`
	Lookback time.Duration `env:"DASHBOARD_LOOKBACK" envDefault:"24h" help:"colours without a window for this long are not shown"`
	Stale    time.Duration `env:"DASHBOARD_STALE" envDefault:"30s" help:"a colour whose newest window ended longer ago is marked stale"`
	// Window is the worker's own variable: the two programs then cannot differ.
	Window time.Duration `env:"WORKER_WINDOW" envDefault:"5s" help:"the worker's window: a point's time is its start"`
	// So are these two.
	Lateness  *time.Duration `env:"WORKER_LATENESS" help:"how long after its end the worker may write a window again; unset: one window"`
	MaxColors int            `env:"WORKER_MAX_COLORS" envDefault:"10000" help:"how many colours are shown at most"`

	Prefix     string `env:"DASHBOARD_PREFIX" help:"the path under which a proxy in front shows the page, such as /colors"`
	TrustProxy bool   `env:"DASHBOARD_TRUST_PROXY" help:"true: all requests come through a proxy that sets or removes X-Forwarded-For, -User and -Prefix"`

	Pprof string `env:"DASHBOARD_PPROF_ADDR" help:"serve profiles (net/http/pprof) there, on this machine alone: 127.0.0.1:6060; unset: off"`

	Log service.Log
}

// Validate checks what the types of the fields cannot.
func (c config) Validate() error {
	const identifier = "must be 1 to 40 letters, digits, - or _"
	return errors.Join(
		must("DASHBOARD_PASSWORD", "", c.User == "" || c.Password != "",
			"must be set when DASHBOARD_USER is (or DASHBOARD_PASSWORD_FILE)"),
		must("DASHBOARD_USER", "", c.User != "" || c.Password == "",
			"must be set when DASHBOARD_PASSWORD is"),
		must("DASHBOARD_USER", c.User, !strings.Contains(c.User, ":"), "must be without a colon"),
		c.Influx.Validate(),
		rootAddress("GRAFANA_URL", c.GrafanaURL),
		must("DASHBOARD_GRAFANA_UID", c.GrafanaUID, identifiers.MatchString(c.GrafanaUID), identifier),
		must("DASHBOARD_GRAFANA_DATASOURCE", c.GrafanaSource,
			identifiers.MatchString(c.GrafanaSource), identifier),
		webAddress("GRAFANA_PUBLIC_URL", c.GrafanaPublicURL),
		between("DASHBOARD_REFRESH", c.Refresh, 500*time.Millisecond, time.Hour),
		between("DASHBOARD_LOOKBACK", c.Lookback, time.Minute, 10*365*24*time.Hour),
		between("DASHBOARD_STALE", c.Stale, time.Second, 10*365*24*time.Hour),
		must("DASHBOARD_CLIENTS", c.Clients, c.Clients > 0, "must be at least 1"),
		must("WORKER_MAX_COLORS", c.MaxColors, c.MaxColors > 0, "must be at least 1"),
		must("DASHBOARD_PREFIX", c.Prefix, c.Prefix == "" || web.ValidPrefix(c.Prefix),
			"must be a path such as /colors"),
		between("WORKER_WINDOW", c.Window, time.Millisecond, 24*time.Hour),
	)
}

// parsed is an address that Validate has checked.
func parsed(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	return u
}

func webAddress(variable, value string) error {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return service.Invalid(variable, value, "is not an address such as http://localhost:3000")
	case u.RawQuery != "" || u.Fragment != "":
		return service.Invalid(variable, value, "must be without ? and #")
	}
	return nil
}

// rootAddress is a webAddress that the proxy can ask.
func rootAddress(variable, value string) error {
	if err := webAddress(variable, value); err != nil {
		return err
	}
	switch u := parsed(value); {
	case u.User != nil:
		return service.Invalid(variable, u.Redacted(),
			"must be without a user: readers of the page are anonymous viewers")
	case u.Path != "" && u.Path != "/":
		return service.Invalid(variable, value,
			"must be without a path: Grafana under a sub-path is not supported")
	}
	return nil
}

var identifiers = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,40}\z`)

// must holds a value against a condition.
func must(variable string, value any, ok bool, problem string) error {
	if ok {
		return nil
	}
	return service.Invalid(variable, value, problem)
}

func between(variable string, d, low, high time.Duration) error {
	return errors.Join(
		must(variable, d, d >= low, "must be at least "+low.String()),
		must(variable, d, d <= high, "must be at most "+high.String()))
}
