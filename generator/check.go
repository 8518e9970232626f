package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"colorstream/generator/publish"
	"colorstream/generator/service"
	"colorstream/generator/source"
)

// check tries what a run needs and prints a line for each. It publishes nothing.
func check(ctx context.Context, p service.Process, config Config) error {
	failed := false
	report := func(what, found string, err error) {
		result := "ok  "
		if err != nil {
			failed = true
			result, found = "FAIL", err.Error()
		}
		fmt.Fprintf(p.Stdout, "%s  %-13s  %s\n", result, what, found)
	}
	report("configuration", config.plan(), nil)
	for _, name := range service.UnknownVariables(p.Environ, "GENERATOR_", config) {
		report("configuration", "", fmt.Errorf("unknown variable %s", name))
	}
	found, err := probe(ctx, config)
	if err != nil {
		err = fmt.Errorf("REDIS_URL: %w (is it running?)", err)
	}
	report("redis", found, err)
	if config.Input != "" {
		found, err := tryInput(ctx, config, p.Stdin)
		report("input", found, err)
	}
	if failed {
		return errors.New("the check failed: see above")
	}
	return nil
}

// plan says in words what a run would do.
func (c Config) plan() string {
	from := "random messages"
	if c.Input != "" {
		from = c.Input
	}
	return fmt.Sprintf("publishes %s on %q (%s), %s", from, c.Channel, c.Transport, c.rhythm())
}

func (c Config) rhythm() string {
	switch {
	case c.Pace == PaceMax:
		return "as fast as Redis takes them"
	case c.Pace == PaceTimes && c.Speed != 1:
		return fmt.Sprintf("as far apart as their times, at %g times the speed", c.Speed)
	case c.Pace == PaceTimes:
		return "as far apart as their times"
	case c.Rate > 0:
		return fmt.Sprintf("%g a second", c.Rate)
	}
	return fmt.Sprintf("one every %s", c.Interval)
}

func probe(ctx context.Context, config Config) (string, error) {
	publisher := publish.New(slog.New(slog.DiscardHandler), config.publishOptions(), func(error) {})
	found, err := publisher.Probe(ctx)
	return found, errors.Join(err, publisher.Close())
}

func tryInput(ctx context.Context, config Config, stdin io.Reader) (string, error) {
	if config.Input == source.Stdin {
		return "standard input is not looked at here", nil
	}
	input, rows, err := source.OpenOrdered(ctx, config.Input, stdin, config.Source, config.Disorder)
	if err != nil {
		return "", err
	}
	var record source.Record
	err = fmt.Errorf("%s holds no messages", input.Name)
	for record, err = range rows {
		break
	}
	if record.Rejected != nil {
		err = errors.New(record.Problem())
	}
	plan, _ := input.Plan()
	if err := errors.Join(err, input.Close()); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s; its first message: %s", plan, record.AppendJSON(nil)), nil
}
