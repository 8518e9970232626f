package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"colorstream/generator/service"
	"colorstream/influxdb/access"
	"colorstream/influxdb/setup"
)

//go:generate go test -run TestVariables . -update-docs

type config struct {
	access.Config
	Retention time.Duration     `env:"INFLUX_RETENTION" envDefault:"0" help:"how long the bucket keeps data: 720h, 30d, seconds; 0 keeps all"`
	User      string            `env:"INFLUX_ADMIN_USER" envDefault:"admin" help:"administrator, made if InfluxDB is new"`
	Password  string            `env:"INFLUX_ADMIN_PASSWORD" envDefault:"adminpassword" secret:"true" help:"its password, 8 to 72 bytes"`
	TokenDir  string            `env:"INFLUX_TOKEN_DIR" envDefault:"data/tokens" help:"folder of the files worker, dashboard and grafana, a token each"`
	Groups    map[string]uint32 `env:"INFLUX_TOKEN_GROUPS" help:"group that may read a token's file, besides its owner: worker:1001,grafana:0"`

	PipelineBucket    string        `env:"INFLUX_PIPELINE_BUCKET" envDefault:"pipeline" help:"bucket of the programs' own metrics"`
	PipelineRetention time.Duration `env:"INFLUX_PIPELINE_RETENTION" envDefault:"168h" help:"how long it keeps them"`
	Scrape            targets       `env:"INFLUX_SCRAPE" envDefault:"generator=http://127.0.0.1:8052/metrics,worker=http://127.0.0.1:8051/metrics,page=http://127.0.0.1:8050/metrics,influxdb=http://127.0.0.1:8086/metrics" help:"whose metrics InfluxDB reads every 10 seconds, and where; off for none"`

	Timeout time.Duration `env:"INFLUX_TIMEOUT" envDefault:"60s" help:"how long to wait for InfluxDB"`

	service.Log
}

// InfluxDB's own rules.
const (
	minPassword  = 8
	maxPassword  = 72
	minRetention = time.Hour
)

// Validate checks what InfluxDB would reject later.
func (c config) Validate() error {
	problems := []error{c.Config.Validate()}
	check := func(ok bool, variable string, value any, problem string, args ...any) {
		if !ok {
			problems = append(problems, service.Invalid(variable, value, fmt.Sprintf(problem, args...)))
		}
	}
	bucket := func(variable, name string) {
		check(!strings.HasPrefix(name, "_") && !strings.Contains(name, `"`), variable, name,
			"must not start with an underscore nor hold a quotation mark")
	}
	bucket("INFLUX_BUCKET", c.Bucket)
	bucket("INFLUX_PIPELINE_BUCKET", c.PipelineBucket)
	check(c.Bucket != c.PipelineBucket, "INFLUX_PIPELINE_BUCKET", c.PipelineBucket,
		"is INFLUX_BUCKET too: readers of the colours may not see the rest")
	retention := func(variable string, d time.Duration) {
		check(d == 0 || d >= minRetention && d%time.Second == 0, variable, d,
			"must be 0, to keep everything, or whole seconds of at least %v", minRetention)
	}
	retention("INFLUX_RETENTION", c.Retention)
	retention("INFLUX_PIPELINE_RETENTION", c.PipelineRetention)
	n := len(c.Password)
	check(minPassword <= n && n <= maxPassword, "INFLUX_ADMIN_PASSWORD", "",
		"has %d bytes, InfluxDB wants %d to %d", n, minPassword, maxPassword)
	check(c.Timeout > 0, "INFLUX_TIMEOUT", c.Timeout, "must be more than 0")
	tokens := c.plan().Tokens
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		known := func(t setup.Token) bool { return t.Name == name }
		check(slices.ContainsFunc(tokens, known), "INFLUX_TOKEN_GROUPS", name, "is no token's name")
	}
	return errors.Join(problems...)
}

// plan is what the programs rely on. A further bucket is one more entry here, and its name in the
// lists of the tokens that may use it.
func (c config) plan() setup.Plan {
	var scrapers []setup.Scraper
	for _, name := range slices.Sorted(maps.Keys(c.Scrape)) {
		scrapers = append(scrapers,
			setup.Scraper{Name: name, URL: c.Scrape[name], Bucket: c.PipelineBucket})
	}
	return setup.Plan{
		Org: c.Org,
		Buckets: []setup.Bucket{
			{Name: c.Bucket, Retention: c.Retention},
			{Name: c.PipelineBucket, Retention: c.PipelineRetention},
		},
		Tokens: []setup.Token{
			{Name: "worker", Write: []string{c.Bucket}},
			{Name: "dashboard", Read: []string{c.Bucket}},
			{Name: "grafana", Read: []string{c.Bucket, c.PipelineBucket}},
		},
		Folder:   setup.Folder{Path: c.TokenDir, Groups: c.Groups},
		Scrapers: scrapers,
	}
}

// targets maps names of scrapers to the addresses that they read.
type targets map[string]string

// UnmarshalText reads a list like worker=http://127.0.0.1:8051/metrics,page=…, or the word off.
func (t *targets) UnmarshalText(text []byte) error {
	*t = targets{}
	if string(text) == "off" {
		return nil
	}
	for pair := range strings.SplitSeq(string(text), ",") {
		name, address, _ := strings.Cut(strings.TrimSpace(pair), "=")
		u, err := url.Parse(address)
		if name == "" || err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return errors.New("is not a list like worker=http://127.0.0.1:8051/metrics," +
				"page=http://127.0.0.1:8050/metrics, nor the word off")
		}
		if (*t)[name] != "" {
			return fmt.Errorf("has two targets called %q", name)
		}
		(*t)[name] = address
	}
	return nil
}
