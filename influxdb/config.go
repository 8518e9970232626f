package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/service"
	"colorstream/influxdb/access"
	"colorstream/influxdb/setup"
)

//go:generate go test -run TestVariables . -update-docs

type config struct {
	access.Config
	Retention retention `env:"INFLUX_RETENTION" envDefault:"0" help:"how long the bucket keeps data: 720h, 30d, seconds; 0 keeps all"`
	User      string    `env:"INFLUX_ADMIN_USER" envDefault:"admin" help:"administrator, made if InfluxDB is new"`
	Password  string    `env:"INFLUX_ADMIN_PASSWORD" envDefault:"adminpassword" secret:"true" help:"its password, 8 to 72 bytes"`
	TokenDir  string    `env:"INFLUX_TOKEN_DIR" envDefault:"data/tokens" help:"folder of the files worker, dashboard and grafana, a token each"`
	Groups    groups    `env:"INFLUX_TOKEN_GROUPS" help:"group that may read a token's file, besides its owner: worker:1001,grafana:0"`

	PipelineBucket    string    `env:"INFLUX_PIPELINE_BUCKET" envDefault:"pipeline" help:"bucket of the programs' own metrics"`
	PipelineRetention retention `env:"INFLUX_PIPELINE_RETENTION" envDefault:"168h" help:"how long it keeps them"`
	Scrape            targets   `env:"INFLUX_SCRAPE" help:"whose metrics InfluxDB reads every 10 seconds, and where: worker=http://127.0.0.1:8051/metrics,…; off for none; unset, all programs with their own ports on its machine"`

	Timeout time.Duration `env:"INFLUX_TIMEOUT" envDefault:"60s" help:"how long to wait for InfluxDB"`

	service.Log
}

// Validate checks what InfluxDB would reject later.
func (c config) Validate() error {
	problems := []error{c.Config.Validate()}
	reject := func(variable string, value any, problem string) {
		problems = append(problems, service.Invalid(variable, value, problem))
	}
	for _, b := range []struct{ variable, name string }{{"INFLUX_BUCKET", c.Bucket}, {"INFLUX_PIPELINE_BUCKET", c.PipelineBucket}} {
		if strings.HasPrefix(b.name, "_") || strings.Contains(b.name, `"`) {
			reject(b.variable, b.name, "must not start with an underscore nor hold a quotation mark")
		}
	}
	if c.Bucket == c.PipelineBucket {
		reject("INFLUX_PIPELINE_BUCKET", c.PipelineBucket,
			"is INFLUX_BUCKET too: readers of the colours may not see the rest")
	}
	for _, r := range []struct {
		variable string
		time.Duration
	}{{"INFLUX_RETENTION", c.Retention.Duration}, {"INFLUX_PIPELINE_RETENTION", c.PipelineRetention.Duration}} {
		if r.Duration != 0 && r.Duration < setup.MinRetention || r.Duration%time.Second != 0 {
			reject(r.variable, r.Duration,
				fmt.Sprintf("must be 0, to keep everything, or whole seconds of at least %v",
					setup.MinRetention))
		}
	}
	if n := len(c.Password); n < setup.MinPassword || n > setup.MaxPassword {
		reject("INFLUX_ADMIN_PASSWORD", "",
			fmt.Sprintf("has %d bytes, InfluxDB wants %d to %d", n, setup.MinPassword, setup.MaxPassword))
	}
	if c.Timeout <= 0 {
		reject("INFLUX_TIMEOUT", c.Timeout, "must be more than 0")
	}
	names := tokenNames(c.plan())
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		if !slices.Contains(names, name) {
			reject("INFLUX_TOKEN_GROUPS", c.Groups,
				fmt.Sprintf("there is no token %q, only %s", name, strings.Join(names, ", ")))
		}
	}
	return errors.Join(problems...)
}

// plan is what the programs rely on. A further bucket is one more entry here,
// and its name in the lists of the tokens that may use it.
func (c config) plan() setup.Plan {
	var scrapers []setup.Scraper
	scrape := c.Scrape
	if scrape == nil {
		scrape = standardTargets()
	}
	for _, name := range slices.Sorted(maps.Keys(scrape)) {
		scrapers = append(scrapers, setup.Scraper{Name: name, URL: scrape[name], Bucket: c.PipelineBucket})
	}
	return setup.Plan{
		Org: c.Org,
		Buckets: []setup.Bucket{
			{Name: c.Bucket, Retention: c.Retention.Duration},
			{Name: c.PipelineBucket, Retention: c.PipelineRetention.Duration},
		},
		Tokens: []setup.Token{
			{Name: "worker", Write: []string{c.Bucket}},
			{Name: "dashboard", Read: []string{c.Bucket}},
			{Name: "grafana", Read: []string{c.Bucket, c.PipelineBucket}},
		},
		Scrapers: scrapers,
	}
}

func tokenNames(plan setup.Plan) []string {
	var names []string
	for _, token := range plan.Tokens {
		names = append(names, token.Name)
	}
	return names
}

// retention is a duration that also knows days and weeks, as InfluxDB's own tools do.
type retention struct{ time.Duration }

func (r *retention) UnmarshalText(text []byte) error {
	s := string(text)
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'w': 7 * 24 * time.Hour}
	unit, number := time.Second, s
	if u, ok := units[s[len(s)-1]]; ok {
		unit, number = u, s[:len(s)-1]
	}
	if n, err := strconv.ParseUint(number, 10, 31); err == nil {
		r.Duration = time.Duration(n) * unit
		if r.Duration/unit == time.Duration(n) && r.Duration >= 0 {
			return nil
		}
	} else if r.Duration, err = time.ParseDuration(s); err == nil {
		return nil
	}
	return errors.New("is not a duration: write 30d, 12w, 720h, a number of seconds, or 0 to keep everything")
}

func (r retention) String() string { return setup.Forever(r.Duration).String() }

// groups maps tokens' names to numbers of groups.
type groups map[string]int

func (g *groups) UnmarshalText(text []byte) error {
	*g = groups{}
	for pair := range strings.SplitSeq(string(text), ",") {
		name, number, _ := strings.Cut(strings.TrimSpace(pair), ":")
		gid, err := strconv.ParseUint(number, 10, 31)
		if err != nil {
			return errors.New("is not a list like worker:1001,grafana:0 of tokens and groups' numbers")
		}
		(*g)[name] = int(gid)
	}
	return nil
}

func (g groups) String() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(g)) {
		pairs = append(pairs, fmt.Sprintf("%s:%d", name, g[name]))
	}
	return strings.Join(pairs, ",")
}
