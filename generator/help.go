package main

import (
	"context"
	"errors"
	"io"

	"colorstream/generator/service"
)

const helpText = `generator publishes colour messages on Redis: random ones, or those of your own file.

  generator                 publish as the environment says (the same as: generator run)
  generator replay FILE     publish FILE (CSV or JSON, .gz or .zst of them, - is standard input), then end
  generator check           try the configuration, Redis and the input, a line each
  generator healthcheck     ask the generator that runs on GENERATOR_ADDR whether it lives
  generator version
  generator help

Examples:

  GENERATOR_INTERVAL=0.2 generator
  GENERATOR_RATE=5000 GENERATOR_COUNT=100000 GENERATOR_SEED=1 generator
  GENERATOR_INPUT_VALUE=price GENERATOR_RATE=100 generator replay diamonds.csv
  GENERATOR_PACE=times GENERATOR_SPEED=60 generator replay log.jsonl
  jq -c '.items[]' data.json | GENERATOR_PACE=max generator replay -

At its end a replay asks the worker (WORKER_ADDR) what became of the rows. The exit status is 0 if all were
accepted; 3 if some make no message, or were late or otherwise rejected, or received by nobody: they are
counted, and what to do is said; 1 if nothing could be published or the input cannot be read to its end; and 2
if the configuration is wrong. History is better imported: see ` + "`worker import --help`" + `.

Variables, their defaults and meaning:

`

func help(w io.Writer) error {
	if _, err := io.WriteString(w, helpText); err != nil {
		return err
	}
	return service.WriteVariables(w, Config{})
}

func healthcheck(ctx context.Context, p service.Process) error {
	config, err := service.ParseConfig[Config](p.Environ)
	if err != nil {
		return err
	}
	if config.Addr == addrOff {
		return errors.New("not known: GENERATOR_ADDR is off")
	}
	return service.CheckHealth(ctx, config.Addr)
}
