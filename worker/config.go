package main

import (
	"errors"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"colorstream/generator/redisurl"
	"colorstream/generator/service"
	"colorstream/influxdb/access"
	"colorstream/worker/history"
	"colorstream/worker/source"
	"colorstream/worker/window"
)

//go:generate go test -run "TestVariables|Documented" . -update-docs

// config is all that the worker can be told. The tags are the variables, their defaults and their
// help.
type config struct {
	Redis      redisurl.Config
	Channel    string  `env:"REDIS_CHANNEL" envDefault:"colors" help:"Pub/Sub channels or patterns, between commas; or key of the stream"`
	Transport  string  `env:"REDIS_TRANSPORT" envDefault:"pubsub" help:"pubsub: Redis drops what nobody receives, and windows say so; stream: nothing is lost"`
	StreamKeep keep    `env:"REDIS_STREAM_KEEP" help:"stream: keep entries for so long (24h) or so many of them (1000000) after they were used"`
	Partitions int     `env:"REDIS_PARTITIONS" envDefault:"1" help:"stream: number of partitions, the same for all programs"`
	Replicas   *uint16 `env:"REDIS_REPLICAS" help:"stream: replicas of Redis that must have a window before it is sent; unset: 1 on a cluster, 0 on one Redis"`

	Influx access.Config
	Token  string `env:"INFLUX_TOKEN,notEmpty" secret:"true" help:"token that may write the bucket"`

	history.Windows
	Lateness *time.Duration `env:"WORKER_LATENESS" help:"how long a window stays open after its end, for late messages; unset: one window"`
	Idle     time.Duration  `env:"WORKER_IDLE" envDefault:"5s" help:"silence after which windows of event times (ts) end by themselves"`

	DataDir  string `env:"WORKER_DATA_DIR" envDefault:"data/worker" help:"pubsub: folder of what is not in InfluxDB yet"`
	MaxBytes int64  `env:"WORKER_MAX_BYTES" envDefault:"268435456" help:"pubsub: the most bytes that wait there; past it the oldest windows are dropped, and counted"`

	Addr  string `env:"WORKER_ADDR" envDefault:"127.0.0.1:8051" help:"HTTP address of /healthz, /readyz and /metrics"`
	Pprof string `env:"WORKER_PPROF_ADDR" help:"serve profiles (net/http/pprof) there, on this machine alone: 127.0.0.1:6061; unset: off"`
	Log   service.Log
}

const (
	pubsub = "pubsub"
	stream = "stream"
)

// keep is how much of a stream is kept beyond what open windows need: for a time, or a number of
// entries.
type keep struct {
	age   time.Duration
	count int64
}

// UnmarshalText reads a duration or a number.
func (k *keep) UnmarshalText(text []byte) error {
	var err error
	if k.count, err = strconv.ParseInt(string(text), 10, 64); err == nil && k.count >= 0 {
		return nil
	}
	if k.age, err = time.ParseDuration(string(text)); err != nil || k.age < 0 {
		return errors.New("is neither a duration (24h) nor a number of entries")
	}
	return nil
}

func (k keep) String() string {
	switch {
	case k.count > 0:
		return strconv.FormatInt(k.count, 10)
	case k.age > 0:
		return k.age.String()
	}
	return ""
}

// lateness is how long a window stays open after its end.
func (c config) lateness() time.Duration {
	if c.Lateness == nil {
		return c.Window
	}
	return *c.Lateness
}

// channels are the names in Channel.
func (c config) channels() []string {
	names, _ := source.Channels(c.Channel) // Validate has tried it
	return names
}

// replicas is how many of them must have a window.
func (c config) replicas() int {
	target, _ := c.Redis.Target() // Validate has tried it
	return target.Replicas(c.Replicas)
}

// windows is the configuration of the window sets.
func (c config) windows() window.Config {
	return window.Config{
		Width: c.Window, Lateness: c.lateness(), Idle: c.Idle, Statistics: c.Statistics,
		MaxColors: c.MaxColors, MaxValues: c.MaxValues,
	}
}

// Validate checks what a variable's type does not.
func (c config) Validate() error {
	var errs []error
	check := func(ok bool, variable string, value any, problem string) {
		if !ok {
			errs = append(errs, service.Invalid(variable, value, problem))
		}
	}
	target, err := c.Redis.Target()
	if err != nil {
		errs = append(errs, err)
	} else {
		check(!target.IsCluster() || c.Transport == stream, "REDIS_TRANSPORT", c.Transport,
			"cannot be used with a Redis cluster, whose nodes pass messages on without a receipt, so that no window could be "+
				"called complete: use stream")
	}
	check(c.Transport == pubsub || c.Transport == stream, "REDIS_TRANSPORT", c.Transport,
		"is neither pubsub nor stream")
	switch _, err := source.Channels(c.Channel); {
	case c.Transport == stream:
		check(c.Channel != "" && !strings.Contains(c.Channel, ","), "REDIS_CHANNEL", c.Channel,
			"must be one key: REDIS_TRANSPORT is stream")
	case err != nil:
		check(false, "REDIS_CHANNEL", c.Channel, err.Error())
	}
	check(c.Partitions >= 1 && c.Partitions <= 1024, "REDIS_PARTITIONS", c.Partitions,
		"must be from 1 to 1024")
	errs = append(errs, c.Influx.Validate(), c.Windows.Validate())
	check(c.lateness() >= 0 && c.lateness() <= 7*24*time.Hour, "WORKER_LATENESS", c.lateness(),
		"must be from 0s to 168h")
	check(c.Idle >= 100*time.Millisecond, "WORKER_IDLE", c.Idle, "must be 100ms or more")
	check(c.DataDir != "", "WORKER_DATA_DIR", c.DataDir, "must not be empty")
	check(c.MaxBytes >= 16<<20, "WORKER_MAX_BYTES", c.MaxBytes, "must be 16777216 (16 MiB) or more")
	_, _, err = net.SplitHostPort(c.Addr)
	check(err == nil, "WORKER_ADDR", c.Addr, "is not host:port or :port")
	return errors.Join(errs...)
}

// LogValue masks what is secret.
func (c config) LogValue() slog.Value { return service.LogValue(c) }
