package main

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"colorstream/generator/service"
	"colorstream/worker/aside"
	"colorstream/worker/influx"
	"colorstream/worker/pipeline"
	"colorstream/worker/redisinfo"
	"colorstream/worker/source"
	"colorstream/worker/spool"
	"colorstream/worker/window"
)

// A messageSource is what brings the messages: Pub/Sub or a stream.
type messageSource interface {
	Run(ctx context.Context) error
	Reconnects() uint64
}

// ballast keeps the garbage collector from running dozens of times a second while the worker holds little: it counts as
// memory in use, so that about as much again is allocated between two runs, but is never touched, and so takes none.
// With wide windows, which hold more than it, it makes no difference.
const ballast = 64 << 20

// work puts the worker together and runs it until ctx ends. It stops in the order of the data: the source, then
// each stage when the one before it is done.
func work(ctx context.Context, log *slog.Logger, cfg config) error {
	weight := make([]byte, ballast)
	defer runtime.KeepAlive(weight)
	options, err := redis.ParseURL(cfg.RedisURL)
	if err != nil {
		return service.Invalid("REDIS_URL", "", redisURLProblem(err))
	}
	listener, err := service.Listen("WORKER_ADDR", cfg.Addr)
	if err != nil {
		return err
	}
	queue, err := spool.Open(log, spool.OS{}, spool.Config{Dir: cfg.SpoolDir, MaxBytes: cfg.SpoolMaxBytes})
	if err != nil {
		_ = listener.Close()
		return err
	}
	defer queue.Close()
	client, err := newClient(cfg)
	if err != nil {
		_ = listener.Close()
		return service.Usage(err)
	}
	defer client.Close()

	var health service.Health
	redisState := health.Condition("redis", "not subscribed yet")
	diskState := health.Condition("spool", "")
	diskState.Set(nil)

	asideClient := redis.NewClient(options)
	defer asideClient.Close()
	keeper := aside.New(log, asideClient, cfg.Channel+":rejected")

	set := window.NewSet(window.Config{
		Width: cfg.Window, Lateness: cfg.Lateness, Idle: cfg.Idle, MaxColors: cfg.MaxColors, MaxValues: cfg.MaxValues,
	})
	stored := func(int64) {}
	store := pipeline.NewStore(log, cfg.SpoolDir, queue, diskState.Set, func(safe int64) { stored(safe) })
	reached, position := store.Recover(set)
	var clock pipeline.Clock
	if cfg.Transport == pubsub {
		clock = pipeline.NewSystemClock(reached)
	}
	receiver := pipeline.NewReceiver(log, set, clock, func(a pipeline.Aside) {
		keeper.Keep(string(a.Reason), a.Payload, a.At)
	})
	var before pipeline.Counts
	if cfg.Transport == pubsub { // a stream gives again what was not stored, and it is counted again
		before = store.Recovered()
		receiver.Resume(before)
	}
	registry := service.NewRegistry("worker")
	service.WatchHealth(registry, "worker", &health)
	m := newMetrics(registry)
	m.watchDisk(cfg)
	asking := redisinfo.New(log, asideClient, cfg.Channel, registry)
	closer := pipeline.NewCloser(log, receiver, store, m.closeTime)

	var messages messageSource
	if cfg.Transport == stream {
		receiver.Position(position)
		s := source.NewStream(log, options, cfg.Channel, cfg.Window, reached, position, receiver, redisState.Set, store.Full)
		stored = s.Stored
		messages = s
		m.watchStream(s)
	} else {
		messages = source.NewPubSub(log, options, cfg.Channel, cfg.Window, receiver, redisState.Set)
	}
	sender := influx.NewSender(log, spoolQueue{queue}, client, newQuarantine(log, cfg), m)
	health.Probe("influxdb", func() error { return delivered(cfg, queue, sender, time.Now()) })
	m.watch(receiver, store, queue, keeper, messages)

	return runStages(ctx, stages{
		serve: func(ctx context.Context) error {
			group, ctx := errgroup.WithContext(ctx)
			group.Go(func() error { return service.Serve(ctx, log, listener, service.Mux(&health, registry)) })
			group.Go(func() error { return service.ServeProfiles(ctx, log, "WORKER_PPROF_ADDR", cfg.Pprof) })
			return group.Wait()
		},
		receive: messages.Run,
		received: func() {
			if cfg.Transport == pubsub {
				receiver.Checkpoint()
			}
			receiver.Close()
		},
		checkpoints: func(ctx context.Context) {
			if cfg.Transport == pubsub {
				pipeline.KeepCheckpoints(ctx, receiver, store)
			}
		},
		close: closer.Run,
		store: store.Run,
		aside: func(ctx context.Context) {
			asking.Start(ctx)
			defer asking.Wait()
			keeper.Run(ctx)
		},
		send: sender.Run,
		stopped: func() {
			c := receiver.Counts().Since(before)
			log.Info("stopped", "received", c.Received, "counted", c.Counted, "refused", c.RefusedTotal(), "windows", c.Closed,
				"waiting_in_spool", queue.Stats().Records)
		},
	})
}
