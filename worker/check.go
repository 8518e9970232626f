package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/service"
)

// check tries what the worker needs and says, a line each, what is well and what to do about what is not.
func check(ctx context.Context, cfg config, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	failed := 0
	say := func(name, good string, err error) {
		if err != nil {
			failed++
			fmt.Fprintf(out, "FAIL  %-9s %v\n", name, err)
			return
		}
		fmt.Fprintf(out, "ok    %-9s %s\n", name, good)
	}
	good, err := checkRedis(ctx, cfg)
	say("redis", good, err)
	good, err = checkInflux(ctx, cfg)
	say("influxdb", good, err)
	good, err = checkSpool(cfg)
	say("spool", good, err)
	if failed > 0 {
		return &service.ExitError{Status: 1, Err: fmt.Errorf("%d of 3 checks failed", failed)}
	}
	return nil
}

func checkRedis(ctx context.Context, cfg config) (string, error) {
	options, err := redis.ParseURL(cfg.RedisURL)
	if err != nil {
		return "", service.Invalid("REDIS_URL", "", redisURLProblem(err))
	}
	options.MaxRetries, options.DialerRetries = -1, 1
	client := redis.NewClient(options)
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return "", fmt.Errorf("REDIS_URL: Redis at %s does not answer: %w", options.Addr, err)
	}
	if cfg.Transport == stream {
		n, err := client.XLen(ctx, cfg.Channel).Result()
		if err != nil {
			return "", fmt.Errorf("REDIS_CHANNEL=%q: is no stream: %w", cfg.Channel, err)
		}
		return fmt.Sprintf("%s answers; the stream %s has %d entries", options.Addr, cfg.Channel, n), nil
	}
	n, err := client.PubSubNumSub(ctx, cfg.Channel).Result()
	if err != nil {
		return "", fmt.Errorf("REDIS_CHANNEL=%q: %w", cfg.Channel, err)
	}
	return fmt.Sprintf("%s answers; the channel %s has %d subscribers", options.Addr, cfg.Channel, n[cfg.Channel]), nil
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
	return fmt.Sprintf("%s takes points for the bucket %s", cfg.InfluxURL, cfg.InfluxBucket), nil
}

func checkSpool(cfg config) (string, error) {
	if err := os.MkdirAll(cfg.SpoolDir, 0o700); err != nil {
		return "", fmt.Errorf("WORKER_SPOOL_DIR=%q: %w", cfg.SpoolDir, err)
	}
	f, err := os.CreateTemp(cfg.SpoolDir, ".check-*")
	if err != nil {
		return "", fmt.Errorf("WORKER_SPOOL_DIR=%q: cannot be written: %w", cfg.SpoolDir, err)
	}
	name := f.Name()
	_, err = f.WriteString("check")
	if err == nil {
		err = f.Sync()
	}
	_ = f.Close() // nothing is kept
	_ = os.Remove(name)
	if err != nil {
		return "", fmt.Errorf("WORKER_SPOOL_DIR=%q: cannot be written: %w", cfg.SpoolDir, err)
	}
	path, err := filepath.Abs(cfg.SpoolDir)
	if err != nil {
		path = cfg.SpoolDir
	}
	return path + " can be written", nil
}
