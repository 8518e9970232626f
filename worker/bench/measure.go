package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/worker/store"
)

type result struct {
	rate       float64 // messages a second
	cpu, redis float64 // ns a message
	memory     float64 // MiB
	commit     float64 // ms
	lost       int64
}

// A process is a consumer that runs.
type process struct {
	*exec.Cmd
	out  io.Reader
	http string // a worker's address
}

// measure publishes n messages to a consumer, on a Redis of its own.
func (c consumer) measure(ctx context.Context, dir string, n int64) (r result, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute) // and ends what was started
	defer cancel()
	address := freeAddress()
	client, err := startRedis(ctx, address)
	if err != nil {
		return r, err
	}
	defer client.Close()
	keys := []string{channel}
	if c.partitions > 0 {
		keys = store.Streams(channel, c.partitions)
	}
	var all []process
	for range max(c.workers, 1) {
		p, err := c.start(ctx, dir, address)
		if err != nil {
			return r, err
		}
		all = append(all, p)
	}
	if err := c.waitAll(ctx, client, keys); err != nil {
		return r, err
	}
	before, err := redisCPU(ctx, client)
	if err != nil {
		return r, err
	}
	start := time.Now()
	if err := c.publish(ctx, client, keys, n); err != nil {
		return r, fmt.Errorf("publish: %w", err)
	}
	received, end, err := c.drained(ctx, client, all, n)
	if err != nil {
		return r, err
	}
	after, err := redisCPU(ctx, client)
	if err != nil {
		return r, err
	}
	r = result{
		rate: float64(n) / end.Sub(start).Seconds(), redis: (after - before) / float64(n),
		lost: n - received,
	}
	var seconds, commits float64
	for _, p := range all {
		if c.workers > 0 {
			m, err := p.metrics(ctx)
			if err != nil {
				return r, err
			}
			seconds, commits = seconds+m["commit_seconds_sum"], commits+m["commit_seconds_count"]
		}
		printed, err := p.stop()
		if err != nil {
			return r, err
		}
		usage := p.ProcessState.SysUsage().(*syscall.Rusage)
		r.cpu += float64(p.ProcessState.UserTime()+p.ProcessState.SystemTime()) / float64(n)
		r.memory = max(r.memory, float64(usage.Maxrss)/1024)
		if c.workers == 0 {
			if err := json.Unmarshal(printed, &received); err != nil {
				return r, fmt.Errorf("the consumer prints %q: %w", printed, err)
			}
			if r.lost = n - received; received < 0 { // it does not tell messages apart
				r.lost = 0
			}
		}
	}
	if commits > 0 {
		r.commit = 1000 * seconds / commits
	}
	return r, nil
}

// start starts a consumer.
func (c consumer) start(ctx context.Context, dir, address string) (p process, err error) {
	args := []string{filepath.Join(dir, "worker")}
	var env []string
	if c.workers > 0 {
		data, err := os.MkdirTemp(dir, "data-")
		if err != nil {
			return p, err
		}
		// There is no InfluxDB: windows stay in the store, as in an outage.
		p.http = freeAddress()
		env = []string{
			"WORKER_ADDR=" + p.http, "WORKER_DATA_DIR=" + data, "INFLUX_TOKEN=none", "INFLUX_URL=http://127.0.0.1:9",
			"LOG_LEVEL=error", "REDIS_URL=redis://" + address,
		}
		if c.partitions > 0 {
			env = append(env, "REDIS_TRANSPORT=stream", "REDIS_PARTITIONS="+strconv.Itoa(c.partitions))
		}
	} else {
		args = c.args(dir, address)
	}
	p.Cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.Env, p.Stderr = append(os.Environ(), env...), os.Stderr
	if p.out, err = p.StdoutPipe(); err != nil {
		return p, err
	}
	return p, p.Start()
}

// stop ends a consumer and returns what it printed.
func (p process) stop() ([]byte, error) {
	err := p.Process.Signal(syscall.SIGTERM)
	printed, err2 := io.ReadAll(p.out)
	return printed, errors.Join(err, err2, p.Wait())
}

// metrics reads a worker's figures, each summed over its labels.
func (p process) metrics(ctx context.Context) (map[string]float64, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.http+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	m := make(map[string]float64)
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "colorstream_worker_"); ok {
			i := strings.LastIndexByte(name, ' ')
			value, _ := strconv.ParseFloat(strings.TrimSpace(name[i+1:]), 64)
			name, _, _ = strings.Cut(name[:i], "{")
			m[name] += value
		}
	}
	return m, err
}

// waitAll waits until the consumers are there, and workers share the partitions evenly.
func (c consumer) waitAll(ctx context.Context, client *redis.Client, keys []string) error {
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		if c.partitions == 0 {
			if client.PubSubNumSub(ctx, channel).Val()[channel] > 0 {
				return nil
			}
			continue
		}
		owners := make(map[string]int)
		for _, key := range keys {
			owners[client.HGet(ctx, key+":worker", "owner").Val()]++
		}
		even := len(owners) == c.workers && owners[""] == 0
		for _, n := range owners {
			even = even && n == len(keys)/c.workers
		}
		if even {
			return nil
		}
	}
	return errors.New("the consumers do not come")
}

// drained waits until the consumers have everything, or workers have got nothing for two seconds.
func (c consumer) drained(
	ctx context.Context, client *redis.Client, all []process, n int64,
) (received int64, last time.Time, err error) {
	for last = time.Now(); ctx.Err() == nil; time.Sleep(10 * time.Millisecond) {
		if c.workers == 0 {
			list, err := client.Do(ctx, "client", "list", "type", "pubsub").Text()
			if err != nil || !strings.Contains(list, "sub=1") ||
				strings.Contains(list, " oll=0 ") && strings.Contains(list, " obl=0 ") {
				last = time.Now()
				time.Sleep(time.Second) // what Redis has sent is still in the socket
				return n, last, err
			}
			continue
		}
		sum := int64(0)
		for _, p := range all {
			m, err := p.metrics(ctx)
			if err != nil {
				return 0, last, err
			}
			sum += int64(m["received_total"])
		}
		if sum != received {
			received, last = sum, time.Now()
		}
		if received >= n || time.Since(last) > 2*time.Second {
			return received, last, nil
		}
	}
	return received, last, ctx.Err()
}

// startRedis starts a server with its default limits, without persistence.
func startRedis(ctx context.Context, address string) (*redis.Client, error) {
	_, port, _ := net.SplitHostPort(address)
	server := exec.CommandContext(ctx, "redis-server", "--port", port, "--bind", "127.0.0.1", "--save",
		"", "--loglevel", "warning")
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("start redis-server: %w", err)
	}
	context.AfterFunc(ctx, func() { _ = server.Wait() })
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: 50})
	return client, client.Ping(ctx).Err()
}

// redisCPU is the CPU time that a Redis has used, in ns.
func redisCPU(ctx context.Context, client *redis.Client) (sum float64, err error) {
	text, err := client.Info(ctx, "cpu").Result()
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_sys" || name == "used_cpu_user" {
			seconds, _ := strconv.ParseFloat(value, 64)
			sum += 1e9 * seconds
		}
	}
	return sum, err
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // a machine without a loopback
	}
	defer l.Close()
	return l.Addr().String()
}
