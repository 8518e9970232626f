package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
)

var runMessages = flag.Int64("messages", 3_000_000, "in a run of BenchmarkConsumers")

// A consumer is what BenchmarkConsumers measures.
type consumer struct {
	name       string
	kind       string // of another consumer than the worker: see consume
	workers    int
	partitions int     // of a stream, 0 for Pub/Sub
	per        int64   // messages a payload
	share      float64 // of the messages, to end in time or to be measured for long enough
	rate       float64 // messages a second, 0 for as fast as Redis takes them
}

// consumers are all. Entries of 100 messages are what a generator at full speed makes of a thousand
// in eight partitions.
var consumers = []consumer{
	{name: "raw TCP reader", per: 1, share: 1, kind: "raw"},
	{name: "bare go-redis loop", per: 1, share: 1, kind: "go-redis"},
	{name: "worker, Pub/Sub", workers: 1, per: 1, share: 1},
	{name: "worker, Pub/Sub, 32 a payload", workers: 1, per: 32, share: 5},
	{name: "worker, Pub/Sub, 32 a payload, limited", workers: 1, per: 32, share: 5, rate: 1_200_000},
	{name: "worker, stream", workers: 1, partitions: 1, per: 1, share: 0.5},
	{name: "worker, stream, 32 an entry", workers: 1, partitions: 1, per: 32, share: 5},
	{name: "1 worker, 1 partition, 100 an entry", workers: 1, partitions: 1, per: 100, share: 2.5},
	{name: "1 worker, 8 partitions", workers: 1, partitions: 8, per: 100, share: 2.5},
	{name: "1 worker, 64 partitions", workers: 1, partitions: 64, per: 100, share: 2.5},
	{name: "2 workers, 8 partitions", workers: 2, partitions: 8, per: 100, share: 2.5},
	{name: "2 workers, 64 partitions", workers: 2, partitions: 64, per: 100, share: 2.5},
	{name: "4 workers, 8 partitions", workers: 4, partitions: 8, per: 100, share: 2.5},
	{name: "4 workers, 64 partitions", workers: 4, partitions: 64, per: 100, share: 2.5},
}

// BenchmarkConsumers compares the worker with the least that can be done, on one machine and in one
// run: a reader that throws bytes away, and a bare go-redis loop; and several workers and
// partitions with one. All read what the benchmark publishes at full speed on one local Redis with
// its default limits.
//
//	cd worker && go test -run '^$' -bench Consumers . [-count 3] [-args -messages 2000000]
//
// It reports messages a second from the first to the last, CPU time (user and system) a message, of
// the consumers and of Redis, peak memory, the mean time of a commit, and messages lost. On a noisy
// machine look at ratios.
func BenchmarkConsumers(b *testing.B) {
	for _, c := range consumers {
		b.Run(c.name, func(b *testing.B) {
			n := int64(float64(*runMessages) * c.share)
			for b.Loop() {
				c.measure(b, n)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// measure publishes n messages to a consumer, on a Redis of its own.
func (c consumer) measure(b *testing.B, n int64) {
	server := redistest.Start(b)
	client := server.Client()
	// There is no InfluxDB: windows stay in the store, as in an outage.
	nowhere := &influxtest.Server{URL: "http://127.0.0.1:9", WorkerToken: "none"}
	r := newRigAt(b, nowhere, server.URL())
	r.set("INFLUX_ORG=none", "INFLUX_BUCKET=none", "LOG_LEVEL=error")
	if c.partitions > 0 {
		r.stream(c.partitions)
	}
	var all []*program
	for range c.workers {
		all = append(all, r.start("worker", "WORKER_DATA_DIR="+b.TempDir()))
	}
	if c.kind != "" {
		all = append(all, r.start(os.Args[0], c.kind, server.Addr()))
	}
	r.eventually("the consumers come", func() bool { return c.ready(b, client, r.keys) })
	before, start := redisCPU(b, client), time.Now()
	c.publish(b, client, r.keys, n)
	received, end := c.drained(b, client, all, n)
	redisTime := redisCPU(b, client) - before
	var cpu, memory, seconds, commits float64
	for _, p := range all {
		if c.workers > 0 {
			m := p.metrics()
			seconds, commits = seconds+m["commit_seconds_sum"], commits+m["commit_seconds_count"]
		}
		p.stop()
		state := p.cmd.ProcessState
		cpu += float64(state.UserTime() + state.SystemTime())
		memory = max(memory, float64(state.SysUsage().(*syscall.Rusage).Maxrss)/1024)
		if c.workers == 0 {
			if _, err := fmt.Sscan(p.output(), &received); err != nil {
				b.Fatalf("the consumer prints %q: %v", p.output(), err)
			}
			if received < 0 { // it does not tell messages apart
				received = n
			}
		}
	}
	b.ReportMetric(float64(n)/end.Sub(start).Seconds(), "messages/s")
	b.ReportMetric(cpu/float64(n), "CPU-ns/message")
	b.ReportMetric(redisTime/float64(n), "Redis-CPU-ns/message")
	b.ReportMetric(memory, "MiB")
	b.ReportMetric(1000*seconds/max(commits, 1), "commit-ms")
	b.ReportMetric(float64(n-received), "lost")
}

// ready reports whether the consumers are there, and workers share the partitions evenly.
func (c consumer) ready(b *testing.B, client *redis.Client, keys []string) bool {
	if c.partitions == 0 {
		return client.PubSubNumSub(b.Context(), "colors").Val()["colors"] > 0
	}
	owners := make(map[string]int)
	for _, key := range keys {
		owners[client.HGet(b.Context(), key+":worker", "owner").Val()]++
	}
	even := len(owners) == c.workers && owners[""] == 0
	for _, n := range owners {
		even = even && n == len(keys)/c.workers
	}
	return even
}

// publish publishes n messages over a channel, or as entries of streams in turn: random whole
// numbers of four colours, as the generator's.
func (c consumer) publish(b *testing.B, client *redis.Client, keys []string, n int64) {
	random := rand.New(rand.NewPCG(1, 1))
	payloads := make([]string, 512)
	for i := range payloads {
		var lines []string
		for range c.per {
			m := message.Message{
				Color: []string{"red", "blue", "green", "yellow"}[random.IntN(4)],
				Name:  "value_name", Value: float64(1 + random.IntN(100)),
			}
			lines = append(lines, string(m.AppendJSON(nil)))
		}
		payloads[i] = strings.Join(lines, "\n")
	}
	const together = 1024 // messages in one pipeline
	start := time.Now()
	for sent := int64(0); sent < n; {
		if c.rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(sent) / c.rate * 1e9))))
		}
		_, err := client.Pipelined(b.Context(), func(p redis.Pipeliner) error {
			for i := int64(0); i < max(together/c.per, 1) && sent < n; i++ {
				payload := payloads[(sent/c.per)%int64(len(payloads))]
				if c.partitions > 0 {
					p.Do(b.Context(), "xadd", keys[(sent/c.per)%int64(len(keys))], "*", "m", payload)
				} else {
					p.Do(b.Context(), "publish", "colors", payload)
				}
				sent += c.per
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// drained waits until the consumers have everything, or workers have got nothing for two seconds.
func (c consumer) drained(
	b *testing.B, client *redis.Client, all []*program, n int64,
) (received int64, last time.Time) {
	for last = time.Now(); ; time.Sleep(10 * time.Millisecond) {
		if c.workers == 0 {
			list, err := client.Do(b.Context(), "client", "list", "type", "pubsub").Text()
			if err != nil {
				b.Fatal(err)
			}
			if !strings.Contains(list, "sub=1") ||
				strings.Contains(list, " oll=0 ") && strings.Contains(list, " obl=0 ") {
				last = time.Now()
				time.Sleep(time.Second) // what Redis has sent is still in the socket
				return n, last
			}
			continue
		}
		sum := int64(0)
		for _, p := range all {
			sum += int64(p.metrics()["received_total"])
		}
		if sum != received {
			received, last = sum, time.Now()
		}
		if received >= n || time.Since(last) > 2*time.Second {
			return received, last
		}
	}
}

// redisCPU is the CPU time that a Redis has used, in ns.
func redisCPU(b *testing.B, client *redis.Client) (sum float64) {
	cpu, err := client.InfoMap(b.Context(), "cpu").Result()
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range []string{"used_cpu_sys", "used_cpu_user"} {
		seconds, _ := strconv.ParseFloat(cpu["CPU"][name], 64)
		sum += 1e9 * seconds
	}
	return sum
}

// consume is this program as a consumer, until it is asked to end: then it prints how many messages
// came.
func consume(kind, address string) {
	var received atomic.Int64
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	go func() {
		err := map[string]func(string, *atomic.Int64) error{
			"raw": consumeRaw, "go-redis": consumeGoRedis,
		}[kind](address, &received)
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}()
	<-ended
	fmt.Println(received.Load())
	os.Exit(0)
}

// consumeRaw subscribes by hand and throws away what comes: what the socket and the kernel cost. It
// cannot tell messages apart and reports -1.
func consumeRaw(address string, received *atomic.Int64) error {
	received.Store(-1)
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprint(conn, "SUBSCRIBE colors\r\n"); err != nil {
		return err
	}
	for buffer := make([]byte, 512<<10); ; {
		if _, err := conn.Read(buffer); err != nil {
			return err
		}
	}
}

// consumeGoRedis is a bare go-redis Receive loop, with the library's defaults.
func consumeGoRedis(address string, received *atomic.Int64) error {
	ctx := context.Background()
	sub := redis.NewClient(&redis.Options{Addr: address}).Subscribe(ctx, "colors")
	for {
		m, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		if _, ok := m.(*redis.Message); ok {
			received.Add(1)
		}
	}
}
