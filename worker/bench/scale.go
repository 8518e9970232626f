package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/worker/store"
)

// A share is so many workers with so many partitions of one stream.
type share struct{ workers, partitions int }

var shares = []share{{1, 1}, {1, 8}, {1, 64}, {2, 8}, {2, 64}, {4, 8}, {4, 64}}

// entrySize is the messages of an entry, as a generator at full speed makes them of a thousand in
// eight partitions.
const entrySize = 100

type shareResult struct {
	rate, worker, redis float64 // messages a second, and ns of CPU a message
	commit              time.Duration
}

// compareShares prints a table of the same messages with several workers and partitions.
func compareShares(n int64, runs int) error {
	dir, err := build()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	fmt.Printf("%d cores, %s, %s, %d messages, %d an entry, median of %d runs\n\n",
		runtime.NumCPU(), runtime.Version(), redisVersion(), n, entrySize, runs)
	fmt.Println("| workers | partitions | messages/s | workers' CPU ns/message | Redis' CPU ns/message | commit, mean |")
	fmt.Println("|---|---|---|---|---|---|")
	results := make(map[share][]shareResult)
	for range runs { // in turn, so that a change of the machine's speed meets all
		for _, s := range shares {
			r, err := s.measure(dir, n)
			if err != nil {
				return fmt.Errorf("%d workers, %d partitions: %w", s.workers, s.partitions, err)
			}
			results[s] = append(results[s], r)
		}
	}
	for _, s := range shares {
		median := func(value func(shareResult) float64) float64 {
			var all []float64
			for _, r := range results[s] {
				all = append(all, value(r))
			}
			slices.Sort(all)
			return all[len(all)/2]
		}
		fmt.Printf("| %d | %d | %.0f | %.0f | %.0f | %v |\n", s.workers, s.partitions,
			median(func(r shareResult) float64 { return r.rate }),
			median(func(r shareResult) float64 { return r.worker }),
			median(func(r shareResult) float64 { return r.redis }),
			time.Duration(median(func(r shareResult) float64 { return float64(r.commit) })).Round(10*time.Microsecond))
	}
	return nil
}

func (s share) measure(dir string, n int64) (r shareResult, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	address := freeAddress()
	server, client, err := startRedis(ctx, address)
	if err != nil {
		return r, err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	defer client.Close()

	var workers []*exec.Cmd
	var at []*bench
	defer func() {
		for _, w := range workers {
			_ = w.Process.Kill()
			_ = w.Wait()
		}
	}()
	for range s.workers {
		b := &bench{dir: dir, http: freeAddress()}
		args, env := workerCommand(b)
		w := exec.Command(args[0], args[1:]...)
		w.Env = append(append(os.Environ(), env...), "REDIS_URL=redis://"+address, "REDIS_TRANSPORT=stream",
			"REDIS_PARTITIONS="+strconv.Itoa(s.partitions))
		w.Stderr = os.Stderr
		if err := w.Start(); err != nil {
			return r, err
		}
		workers, at = append(workers, w), append(at, b)
	}
	keys := store.Streams(channel, s.partitions)
	if err := waitShared(ctx, client, keys, s.workers); err != nil {
		return r, err
	}

	before, err := redisCPU(ctx, client)
	if err != nil {
		return r, err
	}
	start := time.Now()
	publisher := exec.Command(filepath.Join(dir, "bench"), "-consumer", "publish", "-redis", address, "-transport", "stream",
		"-n", strconv.FormatInt(n, 10), "-per", strconv.Itoa(entrySize), "-partitions", strconv.Itoa(s.partitions))
	if text, err := publisher.CombinedOutput(); err != nil {
		return r, fmt.Errorf("the publisher: %w\n%s", err, text)
	}
	for received := int64(0); received < n; time.Sleep(5 * time.Millisecond) {
		received = 0
		for _, b := range at {
			k, err := workerReceived(b)
			if err != nil {
				return r, err
			}
			received += k
		}
		if ctx.Err() != nil {
			return r, fmt.Errorf("%d of %d messages were received", received, n)
		}
	}
	r.rate = float64(n) / time.Since(start).Seconds()
	after, err := redisCPU(ctx, client)
	if err != nil {
		return r, err
	}
	r.redis = float64(after-before) / float64(n)
	var sum, count float64
	for _, b := range at {
		k, err := workerMetric(b, commitSum)
		if err != nil {
			return r, err
		}
		c, err := workerMetric(b, commitCount)
		if err != nil {
			return r, err
		}
		sum, count = sum+k, count+c
	}
	r.commit = time.Duration(sum / count * 1e9)
	for _, w := range workers {
		_ = w.Process.Signal(syscall.SIGTERM)
		if err := w.Wait(); err != nil {
			return r, fmt.Errorf("a worker: %w", err)
		}
		r.worker += float64(w.ProcessState.UserTime()+w.ProcessState.SystemTime()) / float64(n)
	}
	workers = nil
	return r, nil
}

var (
	commitSum   = regexp.MustCompile(`(?m)^colorstream_worker_commit_seconds_sum(?:\{.*\})? (\S+)$`)
	commitCount = regexp.MustCompile(`(?m)^colorstream_worker_commit_seconds_count(?:\{.*\})? (\S+)$`)
)

// waitShared waits until so many workers own as many partitions each.
func waitShared(ctx context.Context, client *redis.Client, keys []string, workers int) error {
	for ctx.Err() == nil {
		owners := make(map[string]int)
		for _, key := range keys {
			if owner := client.HGet(ctx, key+":worker", "owner").Val(); owner != "" {
				owners[owner]++
			}
		}
		even := len(owners) == workers
		for _, n := range owners {
			even = even && n == len(keys)/workers
		}
		if even {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("the workers do not share the partitions")
}

var usedCPU = regexp.MustCompile(`(?m)^used_cpu_(?:sys|user):([\d.]+)`)

// redisCPU is the CPU time that a Redis has used.
func redisCPU(ctx context.Context, client *redis.Client) (sum time.Duration, err error) {
	text, err := client.Info(ctx, "cpu").Result()
	for _, match := range usedCPU.FindAllStringSubmatch(text, -1) {
		seconds, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return 0, err
		}
		sum += time.Duration(seconds * 1e9)
	}
	return sum, err
}

// startRedis starts a server with its default limits, without persistence.
func startRedis(ctx context.Context, address string) (*exec.Cmd, *redis.Client, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, nil, err
	}
	server := exec.Command("redis-server", "--port", port, "--bind", "127.0.0.1", "--save", "", "--loglevel", "warning")
	if err := server.Start(); err != nil {
		return nil, nil, fmt.Errorf("start redis-server: %w", err)
	}
	client := redis.NewClient(&redis.Options{Addr: address, MaxRetries: 50})
	if err := client.Ping(ctx).Err(); err != nil {
		_ = server.Process.Kill()
		_ = server.Wait()
		return nil, nil, err
	}
	return server, client, nil
}
