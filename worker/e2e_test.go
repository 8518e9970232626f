package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/process"
	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/store"
)

// The tests of this file's neighbours run the real programs against a real Redis and a real
// InfluxDB, and read the bucket back.

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && (os.Args[1] == "raw" || os.Args[1] == "go-redis") {
		consume(os.Args[1], os.Args[2])
	}
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given { // most of these tests wait most of the time
		_ = flag.Set("test.parallel", "8")
	}
	influxtest.Main(m)
}

// times is how often a test lets something go wrong: n times, or as the variable FAULTS says.
func times(n int) int {
	if given, err := strconv.Atoi(os.Getenv("FAULTS")); err == nil {
		return given
	}
	return n
}

// programs builds the generator and the worker, once.
var programs = sync.OnceValues(func() (dir string, err error) {
	dir, err = os.MkdirTemp("", "colorstream-programs-")
	if err != nil {
		return "", err
	}
	for name, folder := range map[string]string{"worker": ".", "generator": "../generator"} {
		cmd := exec.Command("go", "build", "-o", filepath.Join(dir, name), ".")
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return dir, nil
})

// A rig is a Redis, a bucket, and what the programs are told.
type rig struct {
	t          testing.TB
	redis      *redistest.Server     // nil where it is a cluster
	client     redis.UniversalClient // nil without a Redis of the rig's own
	keys       []string              // streams
	db         *influxtest.Server
	statistics []string // beside the count
	env        []string // NAME=value, the last one counts
	host       *redistest.Host
}

// newRig makes a rig, with a bucket of its own on the shared InfluxDB if db is nil.
func newRig(t testing.TB, db *influxtest.Server, redisArgs ...string) *rig {
	t.Helper()
	if db == nil {
		db = influxtest.Shared(t).NewBucket(t)
	}
	server := redistest.Start(t, redisArgs...)
	r := newRigAt(t, db, server.URL())
	r.redis, r.client = server, server.Client()
	return r
}

// newRigAt makes a rig on a Redis that runs, or on a cluster.
func newRigAt(t testing.TB, db *influxtest.Server, redisURL string) *rig {
	return &rig{
		t: t, db: db, keys: []string{"colors"},
		statistics: []string{"mean", "median", "min", "max", "sum"},
		env: []string{
			"PATH=" + os.Getenv("PATH"), "REDIS_URL=" + redisURL,
			"INFLUX_URL=" + db.URL, "INFLUX_ORG=" + db.Org,
			"INFLUX_TOKEN=" + db.WorkerToken, "INFLUX_BUCKET=" + db.Bucket,
			"WORKER_DATA_DIR=" + t.TempDir(),
		},
	}
}

// set sets variables of all programs, NAME=value.
func (r *rig) set(env ...string) { r.env = append(r.env, env...) }

// stream lets the programs use a stream with so many partitions.
func (r *rig) stream(partitions int) {
	r.keys = store.Streams("colors", partitions)
	r.set("REDIS_TRANSPORT=stream", fmt.Sprint("REDIS_PARTITIONS=", partitions))
}

// moreStatistics lets the worker compute all that tests compare.
func (r *rig) moreStatistics() {
	r.set("WORKER_STATISTICS=p95,mean,median,min,max,stddev")
	r.statistics = append(r.statistics, "p95", "stddev")
}

// A program is one running process.
type program struct {
	rig  *rig
	cmd  *exec.Cmd
	addr string // of its HTTP
	out  string // file with what it printed
	done chan error
}

var variable = regexp.MustCompile(`^[A-Z_]+=`)

// start starts the worker, the generator, or another program. Words are its arguments, and
// variables (NAME=value).
func (r *rig) start(name string, words ...string) *program {
	r.t.Helper()
	dir, err := programs()
	if err != nil {
		r.t.Fatal(err)
	}
	p := &program{
		rig: r, addr: process.FreeAddr(), out: filepath.Join(r.t.TempDir(), "output"),
		done: make(chan error, 1),
	}
	command := []string{name}
	if name == "worker" || name == "generator" {
		command[0] = filepath.Join(dir, name)
	}
	if r.host != nil {
		command = slices.Concat(r.host.Within, command)
		p.addr = net.JoinHostPort(r.host.Addr, "8051")
	}
	env := append(slices.Clone(r.env), "WORKER_ADDR="+p.addr, "GENERATOR_ADDR="+p.addr)
	for _, word := range words {
		if variable.MatchString(word) {
			env = append(env, word)
		} else {
			command = append(command, word)
		}
	}
	p.cmd = exec.Command(command[0], command[1:]...)
	p.cmd.Env = env
	out, err := os.Create(p.out)
	if err != nil {
		r.t.Fatal(err)
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, out
	if err := p.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	r.t.Cleanup(func() {
		p.kill()
		if r.t.Failed() {
			r.t.Logf("%s printed:\n%s", name, p.tail())
		}
	})
	return p
}

// worker starts a worker and waits until messages reach it.
func (r *rig) worker(env ...string) *program {
	r.t.Helper()
	p := r.start("worker", env...)
	p.waitReady("redis")
	return p
}

// generate runs the generator to its end.
func (r *rig) generate(words ...string) {
	r.t.Helper()
	if p := r.start("generator", words...); p.wait() != nil {
		r.t.Fatalf("the generator fails:\n%s", p.tail())
	}
}

func (p *program) output() string {
	text, err := os.ReadFile(p.out)
	if err != nil {
		p.rig.t.Fatal(err)
	}
	return string(text)
}

func (p *program) tail() string {
	text := p.output()
	return text[max(0, len(text)-6000):]
}

var number = regexp.MustCompile(` (\w+)=(\d+)\b`)

// said returns the numbers of the newest line of the log with a message.
func (p *program) said(message string) map[string]int64 {
	p.rig.t.Helper()
	text := p.output()
	at := strings.LastIndex(text, "msg="+message+" ")
	if at < 0 {
		p.rig.t.Fatalf("the log does not say %q:\n%s", message, p.tail())
	}
	line, _, _ := strings.Cut(text[at:], "\n")
	numbers := make(map[string]int64)
	for _, match := range number.FindAllStringSubmatch(line, -1) {
		numbers[match[1]], _ = strconv.ParseInt(match[2], 10, 64)
	}
	return numbers
}

// wait waits for the program to end by itself.
func (p *program) wait() error {
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(waitTimeout):
		return fmt.Errorf("still running after %v", waitTimeout)
	}
}

// end waits for the program to end by itself, and returns its exit status.
func (p *program) end() int {
	p.rig.t.Helper()
	if err := p.wait(); p.cmd.ProcessState == nil {
		p.rig.t.Fatal(err)
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *program) terminate() { _ = p.cmd.Process.Signal(syscall.SIGTERM) }

// stop asks the program to end, and wants it to do so well.
func (p *program) stop() {
	p.rig.t.Helper()
	p.terminate()
	if err := p.wait(); err != nil {
		p.rig.t.Fatalf("the program does not stop well: %v\n%s", err, p.tail())
	}
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.wait()
}

// pause stops the program for a while, as a machine does that has no time for it.
func (p *program) pause(d time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGSTOP)
	time.Sleep(d)
	_ = p.cmd.Process.Signal(syscall.SIGCONT)
}

// readyz reads /readyz, or nothing if it is not there.
func (p *program) readyz() string {
	response, err := http.Get("http://" + p.addr + "/readyz")
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	body, _ := io.ReadAll(response.Body) // a part of it lacks what is looked for
	return string(body)
}

// waitReady waits until /readyz calls a condition fulfilled.
func (p *program) waitReady(condition string) {
	p.rig.t.Helper()
	p.rig.eventually(condition+" is ready", func() bool {
		return strings.Contains(p.readyz(), `"name":"`+condition+`","ok":true`)
	})
}

// metrics reads /metrics; a labelled metric's values stand under name{labels} and are added up
// under name.
func (p *program) metrics() map[string]float64 {
	p.rig.t.Helper()
	response, err := http.Get("http://" + p.addr + "/metrics")
	if err != nil {
		p.rig.t.Fatal(err)
	}
	defer response.Body.Close()
	values := make(map[string]float64)
	for s := bufio.NewScanner(response.Body); s.Scan(); {
		name, text, ok := strings.Cut(s.Text(), " ")
		value, err := strconv.ParseFloat(text, 64)
		if strings.HasPrefix(s.Text(), "#") || !ok || err != nil {
			continue
		}
		name = strings.TrimPrefix(name, "colorstream_worker_")
		values[name] = value
		if base, _, labelled := strings.Cut(name, "{"); labelled {
			values[base] += value
		}
	}
	return values
}

// waitTimeout is how long a test waits for what must happen, on a machine that is busy.
const waitTimeout = 2 * time.Minute

func (r *rig) eventually(what string, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(waitTimeout); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v in vain: %s", waitTimeout, what)
		}
	}
}

// publish publishes payloads on the channel.
func (r *rig) publish(payloads ...string) {
	r.t.Helper()
	_, err := r.client.Pipelined(context.Background(), func(p redis.Pipeliner) error {
		for _, payload := range payloads {
			p.Publish(context.Background(), "colors", payload)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// add adds an entry to the first stream.
func (r *rig) add(values ...any) {
	r.t.Helper()
	entry := &redis.XAddArgs{Stream: r.keys[0], Values: values}
	if err := r.client.XAdd(r.t.Context(), entry).Err(); err != nil {
		r.t.Fatal(err)
	}
}

// letters returns the dead letters.
func (r *rig) letters() []redis.XMessage {
	return r.client.XRange(r.t.Context(), "colors:rejected", "-", "+").Val()
}
