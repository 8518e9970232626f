package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
)

// The tests of this file and its neighbours run the real programs against a real Redis and a real
// InfluxDB, and read the bucket back.

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && (os.Args[1] == "raw" || os.Args[1] == "go-redis") {
		consume(os.Args[1], os.Args[2])
	}
	influxtest.Main(m)
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

// A rig is a Redis, a bucket, and the folder of a worker.
type rig struct {
	t     testing.TB
	dir   string
	redis *redistest.Server
	db    *influxtest.Server
	env   map[string]string
	host  *redistest.Host // where programs run; nil for the test's own
}

// newRig makes a rig with a bucket of its own on the shared InfluxDB, if db is nil.
func newRig(t testing.TB, db *influxtest.Server, redisArgs ...string) *rig {
	t.Helper()
	if db == nil {
		db = influxtest.Shared(t).NewBucket(t)
	}
	server := redistest.Start(t, redisArgs...)
	r := newRigAt(t, db, server.URL())
	r.redis = server
	return r
}

// newRigAt makes a rig on a Redis that runs, or on a cluster.
func newRigAt(t testing.TB, db *influxtest.Server, redisURL string) *rig {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, dir: dir, db: db}
	r.env = map[string]string{
		"PATH":         os.Getenv("PATH"),
		"REDIS_URL":    redisURL,
		"INFLUX_URL":   db.URL,
		"INFLUX_ORG":   db.Org,
		"INFLUX_TOKEN": db.WorkerToken, "INFLUX_BUCKET": db.Bucket,
		"WORKER_DATA_DIR": t.TempDir(),
		"GENERATOR_ADDR":  "off",
	}
	return r
}

// A program is one running process.
type program struct {
	rig  *rig
	cmd  *exec.Cmd
	addr string
	out  string // file with what it printed
	done chan error
}

func (r *rig) start(name string, env map[string]string, args ...string) *program {
	r.t.Helper()
	p := &program{
		rig: r, addr: freeAddr(r.t), out: filepath.Join(r.t.TempDir(), filepath.Base(name)+".log"),
		done: make(chan error, 1),
	}
	command := append([]string{name}, args...)
	if name == "worker" || name == "generator" {
		command[0] = filepath.Join(r.dir, name)
	}
	if r.host != nil {
		command = slices.Concat(r.host.Within, command)
		p.addr = net.JoinHostPort(r.host.Addr, "8051")
	}
	p.cmd = exec.Command(command[0], command[1:]...)
	all := maps.Clone(r.env)
	if name == "worker" {
		all["WORKER_ADDR"] = p.addr
	}
	maps.Copy(all, env)
	for k, v := range all {
		p.cmd.Env = append(p.cmd.Env, k+"="+v)
	}
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

// worker starts a worker and waits until it hears.
func (r *rig) worker(env map[string]string) *program {
	r.t.Helper()
	p := r.start("worker", env)
	p.waitReady("redis")
	return p
}

// generate runs the generator to its end and returns what it printed.
func (r *rig) generate(env map[string]string, args ...string) string {
	r.t.Helper()
	p := r.start("generator", env, args...)
	if err := p.wait(2 * time.Minute); err != nil {
		r.t.Fatalf("the generator fails: %v\n%s", err, p.tail())
	}
	return p.output()
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
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

// wait waits for the program to end by itself.
func (p *program) wait(limit time.Duration) error {
	select {
	case err := <-p.done:
		p.done <- err
		return err
	case <-time.After(limit):
		return fmt.Errorf("still running after %v", limit)
	}
}

// stop asks the program to end, and wants it to do so well.
func (p *program) stop() {
	p.rig.t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.wait(20 * time.Second); err != nil {
		p.rig.t.Fatalf("the program does not stop well: %v\n%s", err, p.tail())
	}
}

func (p *program) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.wait(10 * time.Second)
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
	p.rig.eventually(condition+" is ready", 30*time.Second, func() bool {
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

func (r *rig) eventually(what string, limit time.Duration, condition func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("waited %v in vain: %s", limit, what)
		}
	}
}

// moreStatistics are what tests set WORKER_STATISTICS to.
const moreStatistics = "p95,mean,median,min,max,stddev"

// A pointKey names a point, and a point is what stands there.
type pointKey struct {
	Start int64 // ns
	Color string
}

type point struct {
	Mean, Median, Min, Max, Sum float64
	P95, StdDev                 float64 // only of a worker with moreStatistics
	Count                       int64
	Complete                    bool
}

// points reads all that is in the bucket.
func (r *rig) points() map[pointKey]point {
	r.t.Helper()
	for range 20 {
		// A read beside a write may see some of a point's fields before the others: then once more.
		if all, whole := r.readPoints(); whole {
			return all
		}
	}
	r.t.Fatal("some points lack fields")
	return nil
}

func (r *rig) readPoints() (all map[pointKey]point, whole bool) {
	r.t.Helper()
	rows := r.db.Query(r.t, `from(bucket: "`+r.db.Bucket+`") |> range(start: 1970-01-01T00:00:00Z, stop: 2100-01-01T00:00:00Z)
		|> filter(fn: (r) => r._measurement == "color_metrics")
		|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`)
	all = make(map[pointKey]point, len(rows))
	for _, row := range rows {
		key := pointKey{row["_time"].(time.Time).UnixNano(), row["color"].(string)}
		if _, twice := all[key]; twice {
			r.t.Fatalf("two points for %v", key)
		}
		var p point
		var ok [9]bool
		p.Mean, ok[0] = row["mean"].(float64)
		p.Median, ok[1] = row["median"].(float64)
		p.Min, ok[2] = row["min"].(float64)
		p.Max, ok[3] = row["max"].(float64)
		p.Count, ok[4] = row["count"].(int64)
		p.Sum, ok[6] = row["sum"].(float64)
		p.Complete, ok[5] = row["complete"].(bool)
		if r.env["WORKER_STATISTICS"] == moreStatistics {
			var deviates bool
			p.P95, ok[7] = row["p95"].(float64)
			p.StdDev, deviates = row["stddev"].(float64)
			ok[8] = deviates == (p.Count > 1)
		} else {
			ok[7], ok[8] = row["p95"] == nil, row["stddev"] == nil
		}
		if slices.Contains(ok[:], false) {
			return nil, false
		}
		all[key] = p
	}
	return all, true
}

func count(points map[pointKey]point) (n int64) {
	for _, p := range points {
		n += p.Count
	}
	return n
}

// waitCount waits until the points' counts add up to n.
func (r *rig) waitCount(n int64) {
	r.t.Helper()
	last := int64(-1)
	deadline := time.Now().Add(60 * time.Second)
	for last != n {
		if time.Now().After(deadline) {
			r.t.Fatalf("the points hold %d messages, want %d", last, n)
		}
		time.Sleep(200 * time.Millisecond)
		last = count(r.points())
	}
}

// same compares points but for a relative error of 1e-12, and for `complete` only if that is
// wanted.
func same(want, got map[pointKey]point, complete bool) string {
	near := cmp.Comparer(func(a, b float64) bool {
		return a == b || math.Abs(a-b) <= 1e-12*max(math.Abs(a), math.Abs(b))
	})
	more := false // readPoints has seen to it that all have them, or none
	for _, p := range got {
		more = more || p.P95 != 0
	}
	strip := func(all map[pointKey]point) map[pointKey]point {
		all = maps.Clone(all)
		for k, p := range all {
			p.Complete = p.Complete && complete
			if !more {
				p.P95, p.StdDev = 0, 0
			}
			all[k] = p
		}
		return all
	}
	return cmp.Diff(strip(want), strip(got), near)
}

// naive computes points as a program would that has all the time and memory in the world.
func naive(values map[pointKey][]float64) map[pointKey]point {
	all := make(map[pointKey]point, len(values))
	for key, v := range values {
		v = slices.Sorted(slices.Values(v))
		n := len(v)
		p := point{Min: v[0], Max: v[n-1], Count: int64(n), Median: (v[(n-1)/2] + v[n/2]) / 2}
		for _, x := range v {
			p.Mean += x / float64(n)
			p.Sum += x
		}
		h := float64(n-1) * 0.95
		k := int(h)
		p.P95 = v[k] + (h-float64(k))*(v[min(k+1, n-1)]-v[k])
		for _, x := range v {
			d := x - p.Sum/float64(n)
			p.StdDev += d * d / float64(max(n-1, 1))
		}
		p.StdDev = math.Sqrt(p.StdDev)
		all[key] = p
	}
	return all
}

func publish(t testing.TB, client *redis.Client, payloads ...string) {
	t.Helper()
	_, err := client.Pipelined(context.Background(), func(p redis.Pipeliner) error {
		for _, payload := range payloads {
			p.Publish(context.Background(), "colors", payload)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
