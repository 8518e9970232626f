package main

import (
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/google/go-cmp/cmp"

	"colorstream/generator/redisurl"
	"colorstream/generator/service"
	"colorstream/generator/source"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c, err := service.ParseConfig[Config](map[string]string{})
	if err != nil {
		t.Fatal(err)
	}
	want := Config{
		Redis:   redisurl.Config{URL: "redis://localhost:6379/0"},
		Channel: "colors", Transport: "pubsub", Partitions: 1,
		Interval: time.Second, Pace: PaceSteady, Speed: 1,
		Colors: List{"red", "blue", "green", "yellow"}, Names: List{"value_name"}, Min: 1, Max: 100,
		Source:    source.Options{Color: "color", Name: "name", Value: "value", Time: "ts", Zone: "UTC"},
		StreamMax: 10_000_000, WorkerAddr: "127.0.0.1:8051", Addr: "127.0.0.1:8052",
		Log: service.Log{Format: "text"},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestConfigValues(t *testing.T) {
	t.Parallel()
	parse := func(variable, value string) Config {
		t.Helper()
		c, err := service.ParseConfig[Config](map[string]string{variable: value})
		if err != nil {
			t.Errorf("%s=%s: %v", variable, value, err)
		}
		return c
	}
	if got := parse("GENERATOR_INTERVAL", "0.5").interval(); got != 5e8 {
		t.Errorf("interval %g", got)
	}
	if got := parse("GENERATOR_RATE", "500000").interval(); got != 2000 {
		t.Errorf("interval %g", got)
	}
	colors := parse("GENERATOR_COLORS", "red, light blue ,#ff0000").Colors
	if !cmp.Equal(colors, List{"red", "light blue", "#ff0000"}) {
		t.Errorf("colors %q", colors)
	}
	if got := parse("GENERATOR_SEED", "0").Seed; got == nil || *got != 0 {
		t.Errorf("seed %v", got)
	}
	for text, want := range map[string]source.Separator{
		";": ";", "tab": "\t", `\t`: "\t", "§": "§", "": "",
	} {
		if got := parse("GENERATOR_INPUT_SEPARATOR", text).Source.Separator; got != want {
			t.Errorf("separator %q is %q", text, got)
		}
	}
	for text, want := range map[string]source.Decimal{
		"comma": source.Comma, ",": source.Comma, ".": source.Point,
	} {
		if got := parse("GENERATOR_INPUT_DECIMAL", text).Source.Decimal; got != want {
			t.Errorf("decimal %q is %q", text, got)
		}
	}
	parse("GENERATOR_INPUT_FORMAT", "jsonl")
	parse("GENERATOR_INPUT_TIME_FORMAT", "%d.%m.%Y %H:%M")
	parse("GENERATOR_INPUT_TIME_FORMAT", "02.01.2006 15:04")
	parse("GENERATOR_INPUT_TIME_ZONE", "Europe/Berlin")
	parse("GENERATOR_INPUT_TIME_ZONE", "-03:30")
}

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	wrong := func(words string, variables ...string) {
		t.Helper()
		_, err := service.ParseConfig[Config](env.ToMap(variables))
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v: %v, want %q", variables, err, words)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: the error shows the password: %v", variables, err)
		}
	}
	wrong("REDIS_URL: is not a Redis URL", "REDIS_URL=http://user:secret@host")
	wrong(`REDIS_TRANSPORT="pigeon": is neither pubsub nor stream`, "REDIS_TRANSPORT=pigeon")
	wrong(`REDIS_CHANNEL="a,b": must be one channel`, "REDIS_CHANNEL=a,b")
	wrong(`REDIS_CHANNEL="a,b": must be one channel`, "REDIS_CHANNEL=a,b", "REDIS_TRANSPORT=stream")
	wrong(`REDIS_CHANNEL="colors.*": must be one channel`, "REDIS_CHANNEL=colors.*")
	wrong(`GENERATOR_INTERVAL="soon": is not a duration`, "GENERATOR_INTERVAL=soon")
	wrong(`GENERATOR_INTERVAL="0s": must be more than 0`, "GENERATOR_INTERVAL=0")
	wrong(`GENERATOR_RATE="-1": must be more than 0`, "GENERATOR_RATE=-1")
	wrong(`GENERATOR_RATE="NaN"`, "GENERATOR_RATE=NaN")
	wrong(`GENERATOR_RATE="fast": is not a number`, "GENERATOR_RATE=fast")
	wrong(`GENERATOR_SPEED="0"`, "GENERATOR_SPEED=0")
	wrong(`GENERATOR_PACE="trot": is none of steady, times and max`, "GENERATOR_PACE=trot")
	wrong(`GENERATOR_PACE="times": needs GENERATOR_INPUT`, "GENERATOR_PACE=times")
	wrong(`GENERATOR_COUNT="-1": must not be negative`, "GENERATOR_COUNT=-1")
	wrong(`GENERATOR_STREAM_MAX="-1": must not be negative`, "GENERATOR_STREAM_MAX=-1")
	wrong(`GENERATOR_MIN="9": is more than GENERATOR_MAX, 5`, "GENERATOR_MIN=9", "GENERATOR_MAX=5")
	wrong(`GENERATOR_MAX="9007199254740993": is above 2^53`, "GENERATOR_MAX=9007199254740993")
	wrong(`GENERATOR_MIN="-9007199254740993": is below -2^53`, "GENERATOR_MIN=-9007199254740993")
	wrong(`GENERATOR_MIN="1.5": is not a whole number`, "GENERATOR_MIN=1.5")
	wrong(`GENERATOR_SEED="x": is not a whole number of 0 or more`, "GENERATOR_SEED=x")
	wrong(`REDIS_REPLICAS="-1": is not a whole number of 0 or more`, "REDIS_REPLICAS=-1")
	wrong(`GENERATOR_COLORS="red,,blue": color is empty`, "GENERATOR_COLORS=red,,blue")
	wrong(`GENERATOR_NAMES`, "GENERATOR_NAMES=\xff")
	wrong(`GENERATOR_INPUT_FORMAT="xml": is neither csv nor json`, "GENERATOR_INPUT_FORMAT=xml")
	wrong(`GENERATOR_INPUT_TIME_FORMAT="dd/mm/yyyy": is no time format: write day-first`,
		"GENERATOR_INPUT_TIME_FORMAT=dd/mm/yyyy")
	wrong(`GENERATOR_INPUT_TIME_FORMAT="%d %Q": has %Q, which is not known here`,
		"GENERATOR_INPUT_TIME_FORMAT=%d %Q")
	wrong(`GENERATOR_INPUT_TIME_ZONE="Mars": is not a time zone`, "GENERATOR_INPUT_TIME_ZONE=Mars")
	wrong(`GENERATOR_INPUT_TIME_ZONE="+2": is not an offset such as +02:00`,
		"GENERATOR_INPUT_TIME_ZONE=+2")
	wrong(`GENERATOR_INPUT_DECIMAL="dot": is neither point nor comma`, "GENERATOR_INPUT_DECIMAL=dot")
	wrong(`GENERATOR_INPUT_DISORDER="-1s": must not be negative`, "GENERATOR_INPUT_DISORDER=-1")
	wrong(`GENERATOR_INPUT_SEPARATOR="ab": is not one character`, "GENERATOR_INPUT_SEPARATOR=ab")
	wrong(`GENERATOR_INPUT_SEPARATOR="\"": is not one character`, `GENERATOR_INPUT_SEPARATOR="`)
}
