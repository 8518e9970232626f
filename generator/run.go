package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"colorstream/generator/progress"
	"colorstream/generator/publish"
	"colorstream/generator/service"
	"colorstream/generator/source"
	"colorstream/generator/tally"
)

// run is the program.
func run(ctx context.Context, p service.Process) error {
	return service.Program{
		Name: "generator", About: about, Notes: notes, Config: Config{}, Addr: "GENERATOR_ADDR",
		Commands: []service.Command{
			{Usage: "run", Help: "publish as the environment says", Run: service.Configured(start)},
			{
				Usage: "replay FILE", Run: replay,
				Help: "publish FILE (CSV or JSON, .gz or .zst of them, - is standard input), then end",
			},
			{
				Usage: "check", Help: "try the configuration, Redis and the input, a line each",
				Run: service.Configured(check),
			},
		},
	}.Run(ctx, p)
}

func replay(ctx context.Context, p service.Process) error {
	p.Environ = maps.Clone(p.Environ)
	p.Environ["GENERATOR_INPUT"] = p.Args[0]
	p.Environ["GENERATOR_ADDR"] = addrOff // another generator may run beside it
	return service.Configured(start)(ctx, p)
}

// addrOff is the GENERATOR_ADDR that means no HTTP.
const addrOff = "off"

func start(ctx context.Context, p service.Process, config Config) error {
	status := progress.NewReporter(p.Stderr, p.Environ["TERM"], string(config.Log.Format))
	log := config.Log.New(status, "generator")
	for _, name := range service.UnknownVariables(p.Environ, "GENERATOR_", config) {
		log.Warn("unknown variable, ignored: is its name right? (`generator help` lists all)",
			"variable", name)
	}
	g := &generator{log: log, config: config, tally: tally.New(), health: new(service.Health)}
	redisUp := g.health.Condition("redis", "nothing has been published yet")
	g.publisher = publish.New(log, config.publishOptions(), redisUp.Set)
	log.Info("start", "version", service.Version(), "config", service.LogValue(config))
	reading, stop := context.WithCancel(ctx)
	g.stopReading = stop
	if err := g.open(reading, p.Stdin); err != nil {
		stop()
		return errors.Join(err, g.publisher.Close())
	}
	err := g.run(ctx, status)
	counts, read := g.publisher.Counts(), g.tally.Counts()
	log.Info("stop", "read", read.Read,
		"published", counts.Published, "no_subscribers", counts.NoSubscribers,
		"rejected", read.Rejected, "unacknowledged", counts.Unacknowledged,
		"unsent", counts.Unsent, "errors", counts.Errors)
	list := sums(counts, g.tally.Elapsed())
	if g.result != nil {
		list = slices.Insert(list, 2, g.result.sums()...)
	}
	if err := errors.Join(err, g.tally.Print(p.Stdout, list...)); err != nil || g.result == nil {
		return err
	}
	return g.verdict()
}

// sums are what became of the rows that were not rejected. Those without subscribers are among the
// published ones.
func sums(c publish.Counts, took time.Duration) []tally.Sum {
	sum := func(name string, n uint64, note string) tally.Sum {
		return tally.Sum{Name: name, Count: int64(n), Note: note}
	}
	return []tally.Sum{
		sum("published", c.Published,
			fmt.Sprintf("in %s, %.0f a second", took.Round(time.Millisecond),
				float64(c.Published)/took.Seconds())),
		sum("  no_subscribers", c.NoSubscribers, "nobody was subscribed when they were published"),
		sum("unacknowledged", c.Unacknowledged,
			"the connection broke before Redis answered; not sent again, so that none is doubled"),
		sum("unsent", c.Unsent, "given up at the end"),
		sum("errors", c.Errors, "failed attempts to publish; all that they held is counted above"),
	}
}

// verdict is an error with the status 3 if not all rows of the input were accepted.
func (g *generator) verdict() error {
	problems := g.result.problems(g.tally.Counts().Rejected)
	if len(problems) == 0 {
		return nil
	}
	err := errors.New("not all rows were accepted:\n  " + strings.Join(problems, "\n  "))
	return &service.ExitError{Status: 3, Err: err}
}

// A generator is all the parts of one run.
type generator struct {
	log       *slog.Logger
	config    Config
	tally     *tally.Tally
	health    *service.Health
	publisher *publish.Publisher
	made      func() source.Record // random messages
	records   <-chan source.Item
	input     *source.Input // of the records; nil for random messages
	result    *outcome      // of an input that was replayed to its end

	stopReading context.CancelFunc
}

// open begins to read the records, until ctx ends.
func (g *generator) open(ctx context.Context, stdin io.Reader) error {
	c := g.config
	if c.Input == "" {
		seed := c.Seed
		if seed == nil {
			seed = new(rand.Uint64())
			g.log.Info("random messages; GENERATOR_SEED makes the same ones again", "seed", *seed)
		}
		g.made = source.Random(*seed, c.Colors, c.Names, c.Min, c.Max)
		return nil
	}
	input, rows, err := source.OpenOrdered(ctx, c.Input, stdin, c.Source, c.Disorder)
	if err != nil {
		return fmt.Errorf("GENERATOR_INPUT: %w", err)
	}
	g.input = input
	g.records = source.ReadAhead(ctx, func(yield func(source.Record, error) bool) {
		if plan, err := input.Plan(); err == nil { // of a pipe, when its first rows have come
			g.log.Info(plan)
		}
		rows(yield)
	})
	return nil
}

// run publishes until there is no more to publish or ctx ends, then stops everything in the order
// of the data.
func (g *generator) run(ctx context.Context, status *progress.Reporter) error {
	var before workerSample
	var unknown error
	if g.input != nil {
		before, unknown = askWorkers(ctx, g.config.WorkerAddr)
	}
	background, stop := context.WithCancel(ctx)
	defer stop()
	group, background := errgroup.WithContext(background)
	if g.config.Addr != addrOff {
		l, err := service.Listen("GENERATOR_ADDR", g.config.Addr)
		if err != nil {
			return errors.Join(err, g.close())
		}
		g.log.Info("listening", "address", l.Addr().String())
		group.Go(func() error {
			return service.Serve(background, g.log, l, service.Mux(g.health, g.metrics()))
		})
	}
	group.Go(func() error {
		return service.ServeProfiles(background, g.log, "GENERATOR_PPROF_ADDR", g.config.Pprof)
	})
	group.Go(func() error {
		status.Follow(background, g.log, g.sample)
		return nil
	})
	group.Go(func() error {
		defer stop()
		f := &feed{
			log: g.log, made: g.made, records: g.records, pace: g.pace(), sink: g.publisher,
			tally: g.tally, count: g.config.Count,
		}
		return f.run(background)
	})
	err := group.Wait()
	if err == nil && ctx.Err() == nil && g.input != nil && g.publisher.Counts().Published > 0 {
		o := g.outcome(ctx, before, unknown)
		if g.result = &o; o.unknown != nil {
			g.log.Warn(o.unknown.Error())
		}
	}
	err = errors.Join(err, g.close())
	if err == nil && ctx.Err() == nil && g.publisher.Counts().Published == 0 {
		return g.nothing()
	}
	return err
}

func (g *generator) pace() pace {
	switch g.config.Pace {
	case PaceMax:
		return nil
	case PaceTimes:
		return byTimes(g.config.Speed)
	}
	return steady(g.config.interval())
}

// nothing says why an input was read to its end and nothing was published.
func (g *generator) nothing() error {
	if read := g.tally.Counts(); read.Rejected > 0 {
		return fmt.Errorf("nothing was published: all %d lines of %s were rejected, the first: %s",
			read.Rejected, g.input.Name, read.Problems[0])
	}
	if g.publisher.Counts().Unacknowledged > 0 {
		return errors.New("nothing was published for certain: " +
			"the connection to Redis broke before it answered")
	}
	return fmt.Errorf("nothing was published: %s holds no messages", g.input.Name)
}

// close frees what open and publish.New took. A read of a standard input that is silent ends with
// the process alone.
func (g *generator) close() error {
	g.stopReading()
	err := g.publisher.Close()
	if g.input == nil {
		return err
	}
	err = errors.Join(g.input.Close(), err)
	timeout := time.After(100 * time.Millisecond)
	for open := true; open; {
		select {
		case _, open = <-g.records:
		case <-timeout:
			open = false
		}
	}
	return err
}
