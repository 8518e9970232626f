package main

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/service"
	"colorstream/influxdb/setup"
)

type config struct {
	URL       string        `env:"INFLUX_URL" envDefault:"http://localhost:8086" help:"where InfluxDB answers"`
	Org       string        `env:"INFLUX_ORG" envDefault:"colors" help:"organisation"`
	Bucket    string        `env:"INFLUX_BUCKET" envDefault:"color_data" help:"bucket of the windows"`
	Retention retention     `env:"INFLUX_RETENTION" envDefault:"0" help:"how long the bucket keeps data: 720h, 30d, seconds; 0 keeps all"`
	User      string        `env:"INFLUX_ADMIN_USER" envDefault:"admin" help:"administrator, made if InfluxDB is new"`
	Password  string        `env:"INFLUX_ADMIN_PASSWORD" envDefault:"adminpassword" secret:"true" help:"its password, 8 to 72 bytes"`
	TokenDir  string        `env:"INFLUX_TOKEN_DIR" envDefault:"data/tokens" help:"folder of the files worker, dashboard and grafana, a token each"`
	Groups    groups        `env:"INFLUX_TOKEN_GROUPS" help:"group that may read a token's file, besides its owner: worker:1001,grafana:0"`
	Timeout   time.Duration `env:"INFLUX_TIMEOUT" envDefault:"60s" help:"how long to wait for InfluxDB"`

	service.Log
}

// Validate checks what InfluxDB would refuse later.
func (c config) Validate() error {
	var problems []error
	refuse := func(variable string, value any, problem string) {
		problems = append(problems, service.Invalid(variable, value, problem))
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		refuse("INFLUX_URL", c.URL, "is not a URL like http://localhost:8086")
	}
	if strings.HasPrefix(c.Bucket, "_") || strings.Contains(c.Bucket, `"`) {
		refuse("INFLUX_BUCKET", c.Bucket, "must not start with an underscore nor hold a quotation mark")
	}
	if d := c.Retention.Duration; d != 0 && d < setup.MinRetention || d%time.Second != 0 {
		refuse("INFLUX_RETENTION", d, fmt.Sprintf("must be 0, to keep everything, or whole seconds of at least %v", setup.MinRetention))
	}
	if n := len(c.Password); n < setup.MinPassword || n > setup.MaxPassword {
		refuse("INFLUX_ADMIN_PASSWORD", "", fmt.Sprintf("has %d bytes, InfluxDB wants %d to %d", n, setup.MinPassword, setup.MaxPassword))
	}
	if c.Timeout <= 0 {
		refuse("INFLUX_TIMEOUT", c.Timeout, "must be more than 0")
	}
	names := tokenNames(c.plan())
	for _, name := range slices.Sorted(maps.Keys(c.Groups)) {
		if !slices.Contains(names, name) {
			refuse("INFLUX_TOKEN_GROUPS", c.Groups, fmt.Sprintf("there is no token %q, only %s", name, strings.Join(names, ", ")))
		}
	}
	return errors.Join(problems...)
}

// plan is what the programs rely on. A further bucket is one more entry here,
// and its name in the lists of the tokens that may use it.
func (c config) plan() setup.Plan {
	return setup.Plan{
		Org: c.Org,
		Buckets: []setup.Bucket{
			{Name: c.Bucket, Retention: c.Retention.Duration},
		},
		Tokens: []setup.Token{
			{Name: "worker", Write: []string{c.Bucket}},
			{Name: "dashboard", Read: []string{c.Bucket}},
			{Name: "grafana", Read: []string{c.Bucket}},
		},
	}
}

func tokenNames(plan setup.Plan) []string {
	var names []string
	for _, token := range plan.Tokens {
		names = append(names, token.Name)
	}
	return names
}

// retention is a duration that also knows days and weeks, as InfluxDB's own
// tools do.
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
