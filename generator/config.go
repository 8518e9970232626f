package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // GENERATOR_INPUT_TIME_ZONE on machines without the database
	"unicode/utf8"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/redisurl"
	"colorstream/generator/service"
	"colorstream/generator/source"
)

//go:generate go test -run "TestVariables|Documented" . -update-docs

// Config is all that the environment says. Its tags are the reference of the variables.
type Config struct {
	Redis     redisurl.Config
	Channel   string            `env:"REDIS_CHANNEL" envDefault:"colors" help:"the channel, or the stream's key"`
	Transport publish.Transport `env:"REDIS_TRANSPORT" envDefault:"pubsub" help:"pubsub: what nobody receives is lost, and counted; stream: nothing is lost, messages wait in Redis"`

	Partitions int     `env:"REDIS_PARTITIONS" envDefault:"1" help:"stream: number of partitions, the same for all programs"`
	Replicas   *uint16 `env:"REDIS_REPLICAS" help:"stream: replicas of Redis that must have a message before it counts as published; unset: 1 on a cluster, 0 on one Redis"`

	Interval time.Duration `env:"GENERATOR_INTERVAL" envDefault:"1s" help:"time between two messages"`
	Rate     float64       `env:"GENERATOR_RATE" help:"messages a second; overrides the interval"`
	Pace     Pace          `env:"GENERATOR_PACE" envDefault:"steady" help:"steady (interval or rate), times (as far apart as the input's times) or max (as fast as Redis takes them)"`
	Speed    float64       `env:"GENERATOR_SPEED" envDefault:"1" help:"with the pace times: 60 plays an hour in a minute"`
	Count    int64         `env:"GENERATOR_COUNT" envDefault:"0" help:"stop after so many messages; 0 means never, or at the input's end"`

	Colors List    `env:"GENERATOR_COLORS" envDefault:"red,blue,green,yellow" help:"random messages: the colours"`
	Names  List    `env:"GENERATOR_NAMES" envDefault:"value_name" help:"random messages: the names"`
	Min    int64   `env:"GENERATOR_MIN" envDefault:"1" help:"random messages: the smallest value, a whole number"`
	Max    int64   `env:"GENERATOR_MAX" envDefault:"100" help:"random messages: the largest value"`
	Seed   *uint64 `env:"GENERATOR_SEED" help:"random messages: the same seed gives the same messages"`

	Input  string `env:"GENERATOR_INPUT" help:"replay this file instead: CSV or JSON, plain or compressed with gzip or zstd; - reads standard input"`
	Source source.Options

	WorkerAddr string `env:"WORKER_ADDR" envDefault:"127.0.0.1:8051" help:"replay: where the worker answers, which is asked in the end what it has accepted; of several, all of them: host:port,host:port"`

	Disorder time.Duration `env:"GENERATOR_INPUT_DISORDER" envDefault:"0s" help:"standard input: how far a time may be behind the newest one (a file is sorted); WORKER_LATENESS must allow it"`

	StreamMax int64  `env:"GENERATOR_STREAM_MAX" envDefault:"10000000" help:"stream: wait while so many messages wait for the worker, 0 means never"`
	Addr      string `env:"GENERATOR_ADDR" envDefault:"127.0.0.1:8052" help:"HTTP for /healthz, /readyz, /metrics; off for none"`

	Pprof string `env:"GENERATOR_PPROF_ADDR" help:"serve profiles (net/http/pprof) there, on this machine alone: 127.0.0.1:6062; unset: off"`

	Log service.Log
}

// Pace says what sets the time between two messages.
type Pace string

// The paces.
const (
	PaceSteady Pace = "steady"
	PaceTimes  Pace = "times"
	PaceMax    Pace = "max"
)

// UnmarshalText rejects every other word.
func (p *Pace) UnmarshalText(text []byte) error {
	switch *p = Pace(text); *p {
	case PaceSteady, PaceTimes, PaceMax:
		return nil
	}
	return errors.New("is none of steady, times and max")
}

// List is words between commas; white space around them is dropped.
type List []string

// UnmarshalText splits at the commas.
func (l *List) UnmarshalText(text []byte) error {
	*l = strings.Split(string(text), ",")
	for i, word := range *l {
		(*l)[i] = strings.TrimSpace(word)
	}
	return nil
}

func (l List) String() string { return strings.Join(l, ",") }

// Validate says what does not fit together.
func (c Config) Validate() error {
	var errs []error
	check := func(ok bool, variable string, value any, problem string) {
		if !ok {
			errs = append(errs, service.Invalid(variable, value, problem))
		}
	}
	target, err := c.Redis.Target()
	if err != nil {
		errs = append(errs, err)
	}
	check(err != nil || !target.IsCluster() || c.Transport == publish.Stream,
		"REDIS_TRANSPORT", c.Transport,
		"cannot be used with a Redis cluster, whose nodes pass messages on without a receipt: use stream")
	forbidden := ",*?[" // the worker's lists and patterns
	if c.Transport == publish.Stream {
		forbidden = ","
	}
	check(c.Channel != "" && !strings.ContainsAny(c.Channel, forbidden), "REDIS_CHANNEL", c.Channel,
		"must be one channel: the worker takes a list or a pattern, the generator publishes to one of them")
	check(c.Partitions >= 1 && c.Partitions <= 1024,
		"REDIS_PARTITIONS", c.Partitions, "must be from 1 to 1024")
	check(c.Interval > 0, "GENERATOR_INTERVAL",
		c.Interval, "must be more than 0 (GENERATOR_PACE=max publishes without a pause)")
	check(c.Rate >= 0 && c.Rate <= 1e9, "GENERATOR_RATE",
		c.Rate, "must be more than 0 and at most 1000000000")
	check(c.Speed > 0 && c.Speed <= 1e9, "GENERATOR_SPEED",
		c.Speed, "must be more than 0 and at most 1000000000")
	check(c.Pace != PaceTimes || c.Input != "",
		"GENERATOR_PACE", c.Pace, "needs GENERATOR_INPUT: random messages have no times")
	check(c.Count >= 0, "GENERATOR_COUNT", c.Count, "must not be negative")
	check(c.StreamMax >= 0, "GENERATOR_STREAM_MAX", c.StreamMax, "must not be negative")
	check(c.Min <= c.Max, "GENERATOR_MIN", c.Min, fmt.Sprintf("is more than GENERATOR_MAX, %d", c.Max))
	const exact = 1 << 53 // the largest whole number up to which a double holds each
	check(c.Min >= -exact, "GENERATOR_MIN", c.Min, "is below -2^53: such numbers are not exact")
	check(c.Max <= exact, "GENERATOR_MAX", c.Max, "is above 2^53: such numbers are not exact")
	for _, color := range c.Colors {
		if err := (message.Message{Color: color}).Validate(); err != nil {
			errs = append(errs, service.Invalid("GENERATOR_COLORS", c.Colors, err.Error()))
			break
		}
	}
	for _, name := range c.Names {
		check(utf8.ValidString(name), "GENERATOR_NAMES", name, "is not valid UTF-8")
	}
	check(c.Disorder >= 0, "GENERATOR_INPUT_DISORDER", c.Disorder, "must not be negative")
	return errors.Join(errs...)
}

// interval is the time between two messages at a steady pace, in nanoseconds.
func (c Config) interval() float64 {
	if c.Rate > 0 {
		return math.Max(1, float64(time.Second)/c.Rate)
	}
	return float64(c.Interval)
}

func (c Config) publishOptions() publish.Options {
	target, _ := c.Redis.Target() // Validate has tried it
	return publish.Options{
		Target: target, Channel: c.Channel, Transport: c.Transport, StreamMax: c.StreamMax,
		Partitions: c.Partitions, Replicas: target.Replicas(c.Replicas),
	}
}
