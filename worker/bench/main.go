// Command bench compares the worker with the least that can be done, on one machine and in one run: a reader that
// throws bytes away, a bare go-redis loop, and a plain Python worker. All read what a publisher of its own publishes at
// full speed on one local Redis with its default limits, one message a payload or several.
//
//	cd worker && go run ./bench [-n messages] [-runs runs] [-metrics | -shares]
//
// It prints a table: messages a second from the first to the last, CPU time (user and system) per message, peak memory,
// and messages lost. Figures are medians; on a noisy machine look at ratios.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

func main() {
	n := flag.Int64("n", 3_000_000, "messages a run")
	runs := flag.Int("runs", 3, "runs of each")
	consumer := flag.String("consumer", "", "raw, go-redis or publish: be that process (the program calls itself so)")
	transport := flag.String("transport", "", "of the publisher")
	per := flag.Int64("per", 1, "the publisher's messages a payload")
	address := flag.String("redis", "", "its Redis")
	partitions := flag.Int("partitions", 1, "of the publisher's stream")
	scale := flag.Bool("shares", false, "compare several workers that share partitions of one stream")
	metrics := flag.Bool("metrics", false, "compare the worker with itself: its metrics read once a second, and not")
	flag.Parse()
	list, reference := contenders, "bare go-redis loop"
	if *metrics {
		list, reference = readers, readers[0].name
	}
	var err error
	switch *consumer {
	case "raw":
		err = consumeRaw(*address, channel)
	case "go-redis":
		err = consumeGoRedis("redis://"+*address, channel)
	case "publish":
		err = publishAll(context.Background(), redis.NewClient(&redis.Options{Addr: *address}), *transport, *n, *per, *partitions)
	case "":
		if *scale {
			err = compareShares(*n, *runs)
			break
		}
		err = compare(list, reference, *n, *runs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

const (
	channel     = "colors"
	plainPython = "plain Python worker"
)

// A contender is one consumer of the comparison.
type contender struct {
	name string
	// command makes its command line.
	command func(b *bench) (args []string, env []string)
	// received tells how many messages a running worker has; nil where it prints that at its end.
	received  func(b *bench) (int64, error)
	transport string
	// during runs beside the publisher, until ctx ends; nil for nothing.
	during   func(ctx context.Context, b *bench)
	fraction int64 // it gets 1/fraction of the messages, to end in time
	times    int64 // it gets so many times the messages, to be measured for long enough
	per      int64 // messages a payload, 1 if it is 0
}

type result struct {
	rate   float64 // messages a second
	cpu    float64 // ns a message
	memory float64 // MiB
	lost   int64
}

// A bench is the surroundings of one run.
type bench struct {
	dir   string // with the programs
	redis string // address
	http  string // the worker's address
	data  string
}

var contenders = []contender{
	{name: "raw TCP reader", transport: "pubsub", fraction: 1, command: func(b *bench) ([]string, []string) {
		return []string{filepath.Join(b.dir, "bench"), "-consumer", "raw", "-redis", b.redis}, nil
	}},
	{name: "bare go-redis loop", transport: "pubsub", fraction: 1, command: func(b *bench) ([]string, []string) {
		return []string{filepath.Join(b.dir, "bench"), "-consumer", "go-redis", "-redis", b.redis}, nil
	}},
	{name: "worker, Pub/Sub", transport: "pubsub", fraction: 1, command: workerCommand, received: workerReceived},
	{name: "worker, Pub/Sub, 32 a payload", transport: "pubsub", times: 5, fraction: 1, per: 32, command: workerCommand, received: workerReceived},
	{name: "worker, stream", transport: "stream", fraction: 2, command: workerCommand, received: workerReceived},
	{name: "worker, stream, 32 an entry", transport: "stream", times: 5, fraction: 1, per: 32, command: workerCommand, received: workerReceived},
	{name: plainPython, transport: "pubsub", fraction: 10, command: func(b *bench) ([]string, []string) {
		return []string{"python3", "bench/plain.py", "redis://" + b.redis, channel}, nil
	}},
}

func workerCommand(b *bench) ([]string, []string) {
	// There is no InfluxDB: its windows stay in the store, as in an outage.
	return []string{filepath.Join(b.dir, "worker")}, []string{
		"WORKER_ADDR=" + b.http, "WORKER_DATA_DIR=" + b.data, "INFLUX_TOKEN=none", "INFLUX_URL=http://127.0.0.1:9", "LOG_LEVEL=error",
	}
}

var receivedMetric = regexp.MustCompile(`(?m)^colorstream_worker_received_total(?:\{.*\})? (\S+)$`)

func workerReceived(b *bench) (int64, error) {
	f, err := workerMetric(b, receivedMetric)
	return int64(f), err
}

// workerMetric reads a figure of the worker's.
func workerMetric(b *bench, metric *regexp.Regexp) (float64, error) {
	response, err := http.Get("http://" + b.http + "/metrics")
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	match := metric.FindSubmatch(text)
	if match == nil {
		return 0, fmt.Errorf("the worker has no metric %v", metric)
	}
	return strconv.ParseFloat(string(match[1]), 64)
}

// compare prints the table. The CPU time of each is also given as a multiple of the reference's.
func compare(contenders []contender, reference string, n int64, runs int) error {
	dir, err := build()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := exec.Command("python3", "-c", "import redis").Run(); err != nil {
		fmt.Fprintln(os.Stderr, "the plain Python worker is left out: python3 has no module redis (apt-get install python3-redis, pip install redis)")
		contenders = slices.DeleteFunc(slices.Clone(contenders), func(c contender) bool { return c.name == plainPython })
	}
	fmt.Printf("%d cores, %s, %s, %d messages, median of %d runs\n\n", runtime.NumCPU(), runtime.Version(), redisVersion(), n, runs)
	fmt.Printf("| consumer | messages/s | CPU ns/message | CPU against %s | peak MiB | lost |\n", reference)
	fmt.Println("|---|---|---|---|---|---|")
	results := make(map[string][]result)
	for run := range runs { // in turn, so that a change of the machine's speed meets all
		for _, c := range contenders {
			r, err := measure(dir, c, n*max(c.times, 1)/c.fraction)
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s, run %d: %v\n", c.name, run+1, err)
				continue
			}
			results[c.name] = append(results[c.name], r)
		}
	}
	median := func(name string, value func(result) float64) float64 {
		var all []float64
		for _, r := range results[name] {
			all = append(all, value(r))
		}
		slices.Sort(all)
		if len(all) == 0 {
			return 0
		}
		return all[len(all)/2]
	}
	cpu := func(r result) float64 { return r.cpu }
	for _, c := range contenders {
		if len(results[c.name]) == 0 {
			fmt.Printf("| %s | not measured | | | | |\n", c.name)
			continue
		}
		fmt.Printf("| %s | %.0f | %.0f | %.3f | %.0f | %.0f |\n", c.name,
			median(c.name, func(r result) float64 { return r.rate }), median(c.name, cpu),
			median(c.name, cpu)/median(reference, cpu),
			median(c.name, func(r result) float64 { return r.memory }), median(c.name, func(r result) float64 { return float64(r.lost) }))
	}
	return nil
}

// build makes a folder with the programs.
func build() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "colorstream-bench-"); err != nil {
		return "", err
	}
	for name, folder := range map[string]string{"worker": ".", "bench": "./bench"} {
		cmd := exec.Command("go", "build", "-C", folder, "-o", filepath.Join(dir, name), ".")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s (run this in the worker's folder): %w\n%s", name, err, out)
		}
	}
	return dir, nil
}

func redisVersion() string {
	out, err := exec.Command("redis-server", "--version").Output()
	if err != nil {
		return "no redis-server"
	}
	for word := range strings.FieldsSeq(string(out)) {
		if v, ok := strings.CutPrefix(word, "v="); ok {
			return "Redis " + v
		}
	}
	return "Redis"
}

func measure(dir string, c contender, n int64) (result, error) {
	b := &bench{dir: dir, redis: freeAddress(), http: freeAddress()}
	var err error
	if b.data, err = os.MkdirTemp(dir, "data-"); err != nil {
		return result{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	server, client, err := startRedis(ctx, b.redis)
	if err != nil {
		return result{}, err
	}
	defer func() { _ = server.Process.Kill(); _ = server.Wait() }()
	defer client.Close()

	args, env := c.command(b)
	consumer := exec.Command(args[0], args[1:]...)
	consumer.Env = append(os.Environ(), append(env, "REDIS_URL=redis://"+b.redis, "REDIS_TRANSPORT="+c.transport)...)
	consumer.Stderr = os.Stderr
	out, err := consumer.StdoutPipe()
	if err != nil {
		return result{}, err
	}
	if err := consumer.Start(); err != nil {
		return result{}, err
	}
	defer func() { _ = consumer.Process.Kill(); _ = consumer.Wait() }()
	if err := waitConsumer(ctx, client, c.transport); err != nil {
		return result{}, err
	}

	published, stop := context.WithCancel(ctx)
	defer stop()
	var beside sync.WaitGroup
	if c.during != nil {
		beside.Go(func() { c.during(published, b) })
	}
	start := time.Now()
	publisher := exec.Command(filepath.Join(dir, "bench"), "-consumer", "publish", "-redis", b.redis, "-transport", c.transport,
		"-n", strconv.FormatInt(n, 10), "-per", strconv.FormatInt(max(c.per, 1), 10))
	if text, err := publisher.CombinedOutput(); err != nil {
		return result{}, fmt.Errorf("the publisher: %w\n%s", err, text)
	}
	stop()
	beside.Wait()
	received, end, err := drained(ctx, b, c, client, n)
	if err != nil {
		return result{}, err
	}
	if c.received == nil {
		time.Sleep(time.Second) // what Redis has sent is still in the socket
	}
	_ = consumer.Process.Signal(syscall.SIGTERM)
	printed, err := io.ReadAll(out)
	if err != nil {
		return result{}, err
	}
	if err := consumer.Wait(); err != nil {
		return result{}, fmt.Errorf("the consumer: %w", err)
	}
	if c.received == nil {
		var r report
		if err := json.Unmarshal(printed, &r); err != nil {
			return result{}, fmt.Errorf("the consumer prints %q: %w", printed, err)
		}
		if received = r.Received; received < 0 {
			received = n
		}
		if r.Last != 0 {
			end = time.Unix(0, r.Last)
		}
	}
	usage := consumer.ProcessState.SysUsage().(*syscall.Rusage)
	cpu := consumer.ProcessState.UserTime() + consumer.ProcessState.SystemTime()
	return result{
		rate:   float64(n) / end.Sub(start).Seconds(),
		cpu:    float64(cpu.Nanoseconds()) / float64(n),
		memory: float64(usage.Maxrss) / 1024,
		lost:   n - received,
	}, nil
}

// waitConsumer waits until the consumer is there.
func waitConsumer(ctx context.Context, client *redis.Client, transport string) error {
	for ctx.Err() == nil {
		if transport == "stream" {
			if owner, err := client.HGet(ctx, channel+":worker", "owner").Result(); err == nil && owner != "" {
				return nil
			}
		} else if subscribers, err := client.PubSubNumSub(ctx, channel).Result(); err == nil && subscribers[channel] > 0 {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return errors.New("the consumer does not come")
}

// drained waits until the consumer has everything: until the worker says so, or Redis has nothing more to send.
func drained(ctx context.Context, b *bench, c contender, client *redis.Client, n int64) (received int64, end time.Time, err error) {
	for last, quiet := int64(-1), 0; ctx.Err() == nil; time.Sleep(5 * time.Millisecond) {
		if c.received != nil {
			if received, err = c.received(b); err != nil {
				return 0, time.Time{}, err
			}
			if received >= n {
				return received, time.Now(), nil
			}
			if received == last {
				if quiet++; quiet > 400 { // nothing for two seconds: the rest is lost
					return received, time.Now(), nil
				}
			} else {
				last, quiet = received, 0
			}
			continue
		}
		list, err := client.Do(ctx, "client", "list", "type", "pubsub").Text()
		if err != nil {
			return 0, time.Time{}, err
		}
		if !strings.Contains(list, "sub=1") || strings.Contains(list, " oll=0 ") && strings.Contains(list, " obl=0 ") {
			return n, time.Now(), nil
		}
	}
	return 0, time.Time{}, ctx.Err()
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err) // a machine without a loopback
	}
	defer l.Close()
	return l.Addr().String()
}
