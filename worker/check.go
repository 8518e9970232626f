package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"

	"colorstream/generator/redisurl"
	"colorstream/generator/service"
	"colorstream/worker/store"
)

// check tries what the worker needs and says, a line each, what is well and what to do about what
// is not.
func check(ctx context.Context, p service.Process, cfg config) error {
	logging.Disable() // go-redis would print each attempt
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	failed := 0
	try := func(name string, check func(context.Context, config) (string, error)) {
		good, err := check(ctx, cfg)
		if err != nil {
			failed++
			fmt.Fprintf(p.Stdout, "FAIL  %-9s %v\n", name, err)
			return
		}
		fmt.Fprintf(p.Stdout, "ok    %-9s %s\n", name, good)
	}
	try("redis", checkRedis)
	try("influxdb", checkInflux)
	if cfg.Transport == pubsub {
		try("folder", checkFolder)
	}
	if failed > 0 {
		return fmt.Errorf("%d checks failed", failed)
	}
	return nil
}

func checkRedis(ctx context.Context, cfg config) (string, error) {
	target, err := cfg.Redis.Target()
	if err != nil {
		return "", err
	}
	client := target.Open(func(o *redis.Options) { o.DialerRetries = 1 })
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return "", fmt.Errorf("REDIS_URL: Redis at %s does not answer: %w", target.Address(), err)
	}
	if cfg.Transport == stream {
		return checkStream(ctx, cfg, client, target.Address())
	}
	n, err := client.PubSubNumSub(ctx, cfg.channels()...).Result()
	if err != nil {
		return "", fmt.Errorf("REDIS_CHANNEL=%q: %w", cfg.Channel, err)
	}
	subscribers := int64(0)
	for _, k := range n {
		subscribers += k
	}
	return fmt.Sprintf("%s answers; %s has %d subscribers", target.Address(), cfg.Channel,
		subscribers), nil
}

// checkStream looks at each partition and at who owns it.
func checkStream(
	ctx context.Context, cfg config, client redisurl.Client, address string,
) (string, error) {
	key := cfg.Channel + ":partitions"
	switch there, err := client.Get(ctx, key).Int(); {
	case err != nil && !errors.Is(err, redis.Nil):
		return "", err
	case err == nil && there != cfg.Partitions:
		return "", fmt.Errorf("REDIS_PARTITIONS=%d: the stream %s was begun with %d (key %s)",
			cfg.Partitions, cfg.Channel, there, key)
	}
	entries := int64(0)
	owners := make(map[string]int)
	for _, key := range store.Streams(cfg.Channel, cfg.Partitions) {
		n, err := client.XLen(ctx, key).Result()
		if err != nil {
			return "", fmt.Errorf("REDIS_CHANNEL=%q: %s is no stream: %w", cfg.Channel, key, err)
		}
		entries += n
		owner, err := store.NewRedis(slog.New(slog.DiscardHandler), client.Node, key, "check", lease,
			0).Owner(ctx)
		if err != nil {
			return "", err
		}
		owners[owner]++
	}
	free := owners[""]
	delete(owners, "")
	return fmt.Sprintf("%s answers; the stream %s has %d partitions with %d entries, %d workers, "+
		"and %d partitions without one",
		address, cfg.Channel, cfg.Partitions, entries, len(owners), free), nil
}

func checkInflux(ctx context.Context, cfg config) (string, error) {
	client, err := newClient(cfg)
	if err != nil {
		return "", err
	}
	defer client.Close()
	if err := client.Check(ctx); err != nil { // it writes nothing
		return "", err
	}
	return fmt.Sprintf("%s takes points for the bucket %s", cfg.Influx.URL, cfg.Influx.Bucket), nil
}

func checkFolder(_ context.Context, cfg config) (string, error) {
	path, err := filepath.Abs(cfg.DataDir)
	if err == nil {
		err = os.MkdirAll(path, 0o700)
	}
	if name := filepath.Join(path, ".check"); err == nil {
		err = cmp.Or(os.WriteFile(name, []byte("check"), 0o600), os.Remove(name))
	}
	if err != nil {
		return "", fmt.Errorf("WORKER_DATA_DIR=%q: cannot be written: %w", cfg.DataDir, err)
	}
	return path + " can be written", nil
}
