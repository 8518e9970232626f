package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
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

// checkInflux writes nothing: an empty write is answered like a real one, as far as server, token, organisation and
// bucket go.
func checkInflux(ctx context.Context, cfg config) (string, error) {
	target := strings.TrimRight(cfg.InfluxURL, "/") + "/api/v2/write?" +
		url.Values{"org": {cfg.InfluxOrg}, "bucket": {cfg.InfluxBucket}, "precision": {"ns"}}.Encode()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, strings.NewReader("\n"))
	if err != nil {
		return "", service.Invalid("INFLUX_URL", cfg.InfluxURL, err.Error())
	}
	request.Header.Set("Authorization", "Token "+cfg.InfluxToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("INFLUX_URL=%q: InfluxDB does not answer: %w", cfg.InfluxURL, err)
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(response.Body, 300)) // only for the message
	switch response.StatusCode {
	case http.StatusNoContent, http.StatusOK, http.StatusBadRequest:
		// 400 is what some versions say of a write without points; they look at the token first.
		return fmt.Sprintf("%s takes points for the bucket %s", cfg.InfluxURL, cfg.InfluxBucket), nil
	case http.StatusUnauthorized:
		return "", fmt.Errorf("INFLUX_TOKEN: %s does not know the token (run the influxdb command to make new ones)", cfg.InfluxURL)
	case http.StatusForbidden:
		return "", fmt.Errorf("INFLUX_TOKEN: the token may not write the bucket %s", cfg.InfluxBucket)
	case http.StatusNotFound:
		return "", fmt.Errorf("INFLUX_ORG=%q, INFLUX_BUCKET=%q: %s has no such organisation or bucket: %s",
			cfg.InfluxOrg, cfg.InfluxBucket, cfg.InfluxURL, body)
	}
	return "", fmt.Errorf("INFLUX_URL=%q: %s: %s", cfg.InfluxURL, response.Status, body)
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
