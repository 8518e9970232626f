package history

import (
	"errors"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // GENERATOR_INPUT_TIME_ZONE on machines without the database

	"colorstream/generator/service"
	"colorstream/generator/source"
	"colorstream/influxdb/access"
	"colorstream/influxdb/series"
	"colorstream/worker/influx"
)

//go:generate go test -run TestVariables . -update-docs

// Windows is what the worker and the import are told of windows.
type Windows struct {
	Window     time.Duration     `env:"WORKER_WINDOW" envDefault:"5s" help:"width of the windows, the same in the worker and in imports"`
	Statistics series.Statistics `env:"WORKER_STATISTICS" envDefault:"mean,median,min,max" help:"what is computed of a colour's values, beside sum and count: mean, median, min, max, stddev (of a sample), percentiles such as p95 and p99.9"`
	MaxColors  int               `env:"WORKER_MAX_COLORS" envDefault:"10000" help:"colours in a window; messages of further ones are rejected"`
	MaxValues  int               `env:"WORKER_MAX_VALUES" envDefault:"16777216" help:"values a window stores one by one, 8 bytes each; past it medians and percentiles are approximate and the point says exact=false"`
}

// Validate checks what a variable's type does not.
func (w Windows) Validate() error {
	var errs []error
	check := func(ok bool, variable string, value any, problem string) {
		if !ok {
			errs = append(errs, service.Invalid(variable, value, problem))
		}
	}
	check(w.Window >= 10*time.Millisecond && w.Window <= 24*time.Hour,
		"WORKER_WINDOW", w.Window, "must be from 10ms to 24h")
	check(w.MaxColors > 0, "WORKER_MAX_COLORS", w.MaxColors, "must be above zero")
	check(w.MaxValues > 0, "WORKER_MAX_VALUES", w.MaxValues, "must be above zero")
	return errors.Join(errs...)
}

// Config is all that the environment says. Its tags are the reference of the variables.
type Config struct {
	Source source.Options

	Influx    access.Config
	TokenDir  string `env:"INFLUX_TOKEN_DIR" envDefault:"data/tokens" help:"folder of the files worker and dashboard, for the two tokens that are not set"`
	Token     string `env:"INFLUX_TOKEN,notEmpty" secret:"true" help:"token that may write the bucket"`
	ReadToken string `env:"INFLUX_READ_TOKEN" secret:"true" help:"token that may read the bucket, to find the points that would be overwritten"`

	Windows
	MaxSort int `env:"IMPORT_ROWS" envDefault:"5000000" help:"import: rows sorted in memory, 40 bytes each; more are sorted in a file in TMPDIR"`

	GrafanaURL string `env:"GRAFANA_PUBLIC_URL" envDefault:"http://localhost:3000" help:"where readers of the page reach Grafana"`

	Log service.Log
}

// Validate checks what a variable's type does not; package influx checks the rest.
func (c Config) Validate() error {
	err := c.Windows.Validate()
	if c.MaxSort <= 0 {
		err = errors.Join(err, service.Invalid("IMPORT_ROWS", c.MaxSort, "must be above zero"))
	}
	return err
}

// withTokens sets the variables of the tokens that are not set and have a file in the folder.
func withTokens(environ map[string]string) map[string]string {
	dir := environ["INFLUX_TOKEN_DIR"]
	if dir == "" {
		dir = filepath.Join("data", "tokens")
	}
	for variable, file := range map[string]string{
		"INFLUX_TOKEN": "worker", "INFLUX_READ_TOKEN": "dashboard",
	} {
		path := filepath.Join(dir, file)
		if environ[variable] == "" && environ[variable+"_FILE"] == "" {
			if _, err := os.Stat(path); err == nil {
				environ[variable+"_FILE"] = path
			}
		}
	}
	return environ
}

// client is one with the token, for the bucket.
func (c Config) client(token string) (*influx.Client, error) {
	return influx.New(influx.Config{Config: c.Influx, Token: token})
}
