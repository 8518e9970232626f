package main

import (
	"errors"
	"log/slog"
	"net"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/service"
)

// config is all that the worker can be told. The tags are the variables, their defaults and their help.
type config struct {
	RedisURL  string `env:"REDIS_URL" envDefault:"redis://localhost:6379/0" secret:"true" help:"where Redis is: redis://[user:password@]host:port/database, rediss:// with TLS"`
	Channel   string `env:"REDIS_CHANNEL" envDefault:"colors" help:"Pub/Sub channel, or key of the stream"`
	Transport string `env:"REDIS_TRANSPORT" envDefault:"pubsub" help:"pubsub: what Redis forgets is counted; stream: nothing is lost"`

	InfluxURL    string `env:"INFLUX_URL" envDefault:"http://localhost:8086" help:"where InfluxDB 2 is"`
	InfluxOrg    string `env:"INFLUX_ORG" envDefault:"colors" help:"organisation"`
	InfluxBucket string `env:"INFLUX_BUCKET" envDefault:"color_data" help:"bucket for the points"`
	InfluxToken  string `env:"INFLUX_TOKEN,required" secret:"true" help:"token that may write the bucket"`

	Window    time.Duration `env:"WORKER_WINDOW" envDefault:"5s" help:"width of the windows"`
	Lateness  time.Duration `env:"WORKER_LATENESS" envDefault:"0s" help:"how far event times (ts) may be out of order"`
	Idle      time.Duration `env:"WORKER_IDLE" envDefault:"5s" help:"silence, on top of the lateness, after which windows of event times close"`
	MaxColors int           `env:"WORKER_MAX_COLORS" envDefault:"10000" help:"colours in a window; messages of further ones are kept aside"`
	MaxValues int           `env:"WORKER_MAX_VALUES" envDefault:"16777216" help:"values a window stores one by one, 8 bytes each; past it medians are approximate and the point says exact=false"`

	SpoolDir      string `env:"WORKER_SPOOL_DIR" envDefault:"data/spool" help:"folder for windows that InfluxDB does not have yet"`
	SpoolMaxBytes int64  `env:"WORKER_SPOOL_MAX_BYTES" envDefault:"268435456" help:"its most bytes; past it the oldest windows are dropped, and counted"`

	Addr  string `env:"WORKER_ADDR" envDefault:"127.0.0.1:8051" help:"HTTP address of /healthz, /readyz and /metrics"`
	Pprof string `env:"WORKER_PPROF_ADDR" help:"serve profiles (net/http/pprof) there, on this machine alone: 127.0.0.1:6061; unset: off"`
	Log   service.Log
}

const (
	pubsub = "pubsub"
	stream = "stream"
)

// Validate checks what a variable's type does not.
func (c config) Validate() error {
	var errs []error
	check := func(ok bool, variable string, value any, problem string) {
		if !ok {
			errs = append(errs, service.Invalid(variable, value, problem))
		}
	}
	if _, err := redis.ParseURL(c.RedisURL); err != nil {
		check(false, "REDIS_URL", "", "is not a Redis URL (redis://[user:password@]host:port/database): "+redisURLProblem(err))
	}
	check(c.Channel != "", "REDIS_CHANNEL", c.Channel, "must not be empty")
	check(c.Transport == pubsub || c.Transport == stream, "REDIS_TRANSPORT", c.Transport, "is neither pubsub nor stream")
	u, err := url.Parse(c.InfluxURL)
	check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "INFLUX_URL", c.InfluxURL,
		"is not an http:// or https:// URL")
	check(c.Window >= 10*time.Millisecond && c.Window <= 24*time.Hour, "WORKER_WINDOW", c.Window, "must be from 10ms to 24h")
	check(c.Lateness >= 0 && c.Lateness <= 7*24*time.Hour, "WORKER_LATENESS", c.Lateness, "must be from 0s to 168h")
	check(c.Idle >= 100*time.Millisecond, "WORKER_IDLE", c.Idle, "must be 100ms or more")
	check(c.MaxColors > 0, "WORKER_MAX_COLORS", c.MaxColors, "must be above zero")
	check(c.MaxValues > 0, "WORKER_MAX_VALUES", c.MaxValues, "must be above zero")
	check(c.SpoolDir != "", "WORKER_SPOOL_DIR", c.SpoolDir, "must not be empty")
	check(c.SpoolMaxBytes >= 16<<20, "WORKER_SPOOL_MAX_BYTES", c.SpoolMaxBytes, "must be 16777216 (16 MiB) or more")
	_, _, err = net.SplitHostPort(c.Addr)
	check(err == nil, "WORKER_ADDR", c.Addr, "is not host:port or :port")
	errs = append(errs, service.CheckLoopback("WORKER_PPROF_ADDR", c.Pprof))
	return errors.Join(errs...)
}

// redisURLProblem is what is wrong with the URL without the URL, which may hold a password.
func redisURLProblem(err error) string {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}

// LogValue masks what is secret.
func (c config) LogValue() slog.Value { return service.LogValue(c) }
