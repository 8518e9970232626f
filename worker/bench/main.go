// Command bench compares the worker with the least that can be done, on one machine and in one run:
// a reader that throws bytes away, a bare go-redis loop, and a plain Python worker; and several
// workers and partitions with one. All read what this program publishes at full speed on one local
// Redis with its default limits.
//
//	cd worker && go run ./bench [-n messages] [-runs runs] [-only regexp]
//
// It prints a table: messages a second from the first to the last, CPU time (user and system) a
// message, of the consumers and of Redis, peak memory, the mean time of a commit, and messages
// lost. Figures are medians; on a noisy machine look at ratios. With WORKER_PPROF_ADDR set, the
// workers serve profiles there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

// A consumer is a row of the table.
type consumer struct {
	name       string
	args       func(dir, redis string) []string // its command line; nil for workers
	workers    int
	partitions int     // of a stream, 0 for Pub/Sub
	per        int64   // messages a payload
	share      float64 // of the messages, to end in time or to be measured for long enough
	rate       float64 // messages a second, 0 for as fast as Redis takes them
}

const (
	channel     = "colors"
	reference   = "bare go-redis loop"
	plainPython = "plain Python worker"
)

// consumers are all rows. Entries of 100 messages are what a generator at full speed makes of a
// thousand in eight partitions.
var consumers = []consumer{
	{name: "raw TCP reader", per: 1, share: 1, args: func(dir, redis string) []string {
		return []string{filepath.Join(dir, "bench"), "-be", "raw", redis}
	}},
	{name: reference, per: 1, share: 1, args: func(dir, redis string) []string {
		return []string{filepath.Join(dir, "bench"), "-be", "go-redis", redis}
	}},
	{name: "worker, Pub/Sub", workers: 1, per: 1, share: 1},
	{name: "worker, Pub/Sub, 32 a payload", workers: 1, per: 32, share: 5},
	{name: "worker, Pub/Sub, 32 a payload, limited", workers: 1, per: 32, share: 5, rate: 1_200_000},
	{name: "worker, stream", workers: 1, partitions: 1, per: 1, share: 0.5},
	{name: "worker, stream, 32 an entry", workers: 1, partitions: 1, per: 32, share: 5},
	{name: plainPython, per: 1, share: 0.1, args: func(_, redis string) []string {
		return []string{"python3", "bench/plain.py", "redis://" + redis, channel}
	}},
	{name: "1 worker, 1 partition, 100 an entry", workers: 1, partitions: 1, per: 100, share: 2.5},
	{name: "1 worker, 8 partitions", workers: 1, partitions: 8, per: 100, share: 2.5},
	{name: "1 worker, 64 partitions", workers: 1, partitions: 64, per: 100, share: 2.5},
	{name: "2 workers, 8 partitions", workers: 2, partitions: 8, per: 100, share: 2.5},
	{name: "2 workers, 64 partitions", workers: 2, partitions: 64, per: 100, share: 2.5},
	{name: "4 workers, 8 partitions", workers: 4, partitions: 8, per: 100, share: 2.5},
	{name: "4 workers, 64 partitions", workers: 4, partitions: 64, per: 100, share: 2.5},
}

func main() {
	n := flag.Int64("n", 3_000_000, "messages a run")
	runs := flag.Int("runs", 3, "runs of each")
	only := flag.String("only", "", "measure only rows whose name matches")
	be := flag.String("be", "", "be this consumer, raw or go-redis (the program calls itself so)")
	flag.Parse()
	var err error
	switch *be {
	case "raw":
		err = consumeRaw(flag.Arg(0))
	case "go-redis":
		err = consumeGoRedis(flag.Arg(0))
	default:
		err = compare(*n, *runs, *only)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// compare prints the table.
func compare(n int64, runs int, only string) error {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only=%q: %w", only, err)
	}
	rows := slices.DeleteFunc(slices.Clone(consumers),
		func(c consumer) bool { return !pattern.MatchString(c.name) })
	if err := exec.Command("python3", "-c", "import redis").Run(); err != nil {
		fmt.Fprintln(os.Stderr,
			"the plain Python worker is left out: python3 has no module redis (apt-get install python3-redis)")
		rows = slices.DeleteFunc(rows, func(c consumer) bool { return c.name == plainPython })
	}
	dir, err := build()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	results := make(map[string][]result)
	for run := range runs { // in turn, so that a change of the machine's speed meets all
		for _, c := range rows {
			r, err := c.measure(context.Background(), dir, int64(float64(n)*c.share))
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
	fmt.Printf("%d cores, %s, %s, %d messages, median of %d runs\n\n", runtime.NumCPU(),
		runtime.Version(), redisVersion(), n, runs)
	fmt.Println("| consumer | messages/s | CPU ns/message | against go-redis | Redis' CPU ns/message | peak MiB | commit ms | lost |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	cpu := func(r result) float64 { return r.cpu }
	for _, c := range rows {
		m := func(value func(result) float64) float64 { return median(c.name, value) }
		fmt.Printf("| %s | %.0f | %.0f | %.2f | %.0f | %.0f | %.1f | %.0f |\n", c.name,
			m(func(r result) float64 { return r.rate }), m(cpu), m(cpu)/median(reference, cpu),
			m(func(r result) float64 { return r.redis }), m(func(r result) float64 { return r.memory }),
			m(func(r result) float64 { return r.commit }), m(func(r result) float64 { return float64(r.lost) }))
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
			return "", errors.Join(fmt.Errorf("build %s (run this in the worker's folder): %w\n%s", name,
				err, out), os.RemoveAll(dir))
		}
	}
	return dir, nil
}

func redisVersion() string {
	out, _ := exec.Command("redis-server", "--version").Output()
	for word := range strings.FieldsSeq(string(out)) {
		if v, ok := strings.CutPrefix(word, "v="); ok {
			return "Redis " + v
		}
	}
	return "no redis-server"
}
