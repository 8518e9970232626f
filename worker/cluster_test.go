package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
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

	"colorstream/generator/message"
	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/store"
)

var faultSeed = flag.Uint64("fault-seed", rand.Uint64(), "of TestClusterFaults")

// A clusterRig is a rig on a Redis cluster of three masters and three replicas.
type clusterRig struct {
	*rig
	cluster *redistest.Cluster
	client  *redis.ClusterClient
	keys    []string
	began   time.Time
}

const clusterWidth = time.Second

func newClusterRig(
	t *testing.T, c *redistest.Cluster, db *influxtest.Server, partitions int,
) *clusterRig {
	t.Helper()
	r := &clusterRig{
		rig: newRigAt(t, db, c.URL()), cluster: c, client: c.Client(),
		keys: store.Streams("colors", partitions), began: time.Now(),
	}
	r.env["REDIS_TRANSPORT"], r.env["WORKER_WINDOW"] = stream, clusterWidth.String()
	r.env["REDIS_PARTITIONS"] = strconv.Itoa(partitions)
	r.env["REDIS_STREAM_KEEP"] = "1h" // the streams are the oracle's input
	r.env["GENERATOR_COLORS"], r.env["GENERATOR_RATE"] = manyColors(5*partitions), "10000"
	return r
}

// manyColors is a list of GENERATOR_COLORS.
func manyColors(n int) string {
	var colors []string
	for i := range n {
		colors = append(colors, fmt.Sprint("c", i))
	}
	return strings.Join(colors, ",")
}

// say logs when something happens.
func (r *clusterRig) say(format string, args ...any) {
	r.t.Helper()
	r.t.Logf("%5.1fs "+format, append([]any{time.Since(r.began).Seconds()}, args...)...)
}

// A fault is something that goes wrong, and is well again in the end.
type fault struct {
	name string
	do   func(*rand.Rand)
}

// strike lets all faults happen once, and then again until the end, in a random order.
func (r *clusterRig) strike(seed uint64, end time.Time, pause time.Duration, faults ...fault) {
	random := rand.New(rand.NewPCG(seed, 0))
	for again := false; ; again = true {
		random.Shuffle(len(faults), func(i, j int) { faults[i], faults[j] = faults[j], faults[i] })
		for _, f := range faults {
			if again && time.Now().After(end) || r.t.Failed() {
				return
			}
			time.Sleep(time.Duration(random.Int64N(int64(pause))))
			r.say("%s", f.name)
			f.do(random)
		}
	}
}

// between picks a time.
func between(random *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(random.Int64N(int64(to-from)))
}

// redisFaults are those of the cluster.
func (r *clusterRig) redisFaults() []fault {
	c := r.cluster
	key := func(random *rand.Rand) string { return r.keys[random.IntN(len(r.keys))] }
	kill := func(random *rand.Rand, key string, master *redistest.Server) {
		master.Kill()
		c.WaitFailover(key, master)
		time.Sleep(between(random, 0, time.Second))
		master.Restart()
	}
	return []fault{
		{"a master is killed, its replica promoted", func(random *rand.Rand) {
			key := key(random)
			kill(random, key, c.Master(key))
			c.WaitWhole()
		}},
		{"a link is cut, and the replica promoted without a vote", func(random *rand.Rand) {
			replica := c.ReplicaOf(key(random))
			c.CutLink(replica)
			time.Sleep(between(random, 500*time.Millisecond, 2*time.Second))
			c.Promote(replica, "takeover")
			c.MendLink(replica)
			c.WaitWhole()
		}},
		{"a link is cut, and the master killed", func(random *rand.Rand) {
			key := key(random)
			master, replica := c.Master(key), c.ReplicaOf(key)
			c.CutLink(replica)
			time.Sleep(between(random, 0, time.Second))
			kill(random, key, master)
			c.MendLink(replica)
			c.WaitWhole()
		}},
		{"a link is cut and mended", func(random *rand.Rand) {
			replica := c.ReplicaOf(key(random))
			c.CutLink(replica)
			time.Sleep(between(random, 0, 3*time.Second))
			c.MendLink(replica)
			c.WaitWhole()
		}},
		{"a slot is moved", func(random *rand.Rand) {
			key, to := key(random), c.Master(key(random))
			if to != c.Master(key) {
				c.MoveSlot(key, to)
			}
		}},
	}
}

// TestClusterFaults lets two or three workers run on a cluster, with two generators, while Redis,
// the workers, a generator and InfluxDB fail in every way at random: in the end the bucket equals,
// point for point, what a naive program computes from the streams, and they hold each acknowledged
// message once.
func TestClusterFaults(t *testing.T) {
	t.Parallel()
	t.Logf("-args -fault-seed %d", *faultSeed)
	random := rand.New(rand.NewPCG(*faultSeed, 1))
	db := influxtest.Start(t)
	c := redistest.StartCluster(t, "--appendonly", "yes")
	r := newClusterRig(t, c, db, 8+random.IntN(5))
	workers := []*program{r.start("worker", nil), r.start("worker", nil)}
	generator := r.start("generator", nil)
	duration := 60 * time.Second
	if testing.Short() {
		duration = 0 // each fault once
	}
	end := time.Now().Add(duration)
	var faults sync.WaitGroup
	faults.Go(func() { r.strike(*faultSeed, end, 3*time.Second, r.redisFaults()...) })
	pick := func(random *rand.Rand) *program { return workers[random.IntN(len(workers))] }
	remove := func(w *program) {
		workers = slices.DeleteFunc(workers, func(p *program) bool { return p == w })
	}
	faults.Go(func() {
		r.strike(*faultSeed+1, end, 2*time.Second, fault{"a worker is killed", func(random *rand.Rand) {
			w := pick(random)
			w.kill()
			remove(w)
			time.Sleep(between(random, 0, 3*time.Second))
			workers = append(workers, r.start("worker", nil))
		}}, fault{"a worker sleeps for longer than its lease", func(random *rand.Rand) {
			w := pick(random)
			_ = w.cmd.Process.Signal(syscall.SIGSTOP)
			time.Sleep(lease + between(random, 500*time.Millisecond, 3*time.Second))
			_ = w.cmd.Process.Signal(syscall.SIGCONT)
		}}, fault{"a worker is added, another stopped", func(random *rand.Rand) {
			w := pick(random)
			workers = append(workers, r.start("worker", nil))
			time.Sleep(between(random, time.Second, 4*time.Second))
			w.stop()
			remove(w)
		}})
	})
	faults.Go(func() {
		away := func(random *rand.Rand) {
			db.Stop(t)
			time.Sleep(between(random, time.Second, 8*time.Second))
			db.Restart(t)
		}
		r.strike(*faultSeed+2, end, 10*time.Second, fault{"InfluxDB is away", away})
	})
	faults.Go(func() {
		kill := func(random *rand.Rand) {
			other := r.start("generator", map[string]string{"GENERATOR_RATE": "1000"})
			time.Sleep(between(random, time.Second, 5*time.Second))
			other.kill()
		}
		r.strike(*faultSeed+3, end, 5*time.Second, fault{"a generator is killed", kill})
	})
	faults.Wait()
	r.say("all is well again")
	generator.stop()
	r.wantExact(generator)
	r.eventually("each partition has one owner", 10*time.Second, func() bool {
		n := 0.0
		for _, w := range workers {
			n += w.metrics()["partition_owned"]
		}
		return n == float64(len(r.keys))
	})
	for _, w := range workers {
		m := w.metrics()
		t.Logf("%v take-overs, %v commits fenced", m["takeovers_total"], m["fenced_commits_total"])
	}
	r.wantNoTransactions()
}

// account is how many messages each run of a generator has in the streams; what is there twice, or
// missing between others.
func (r *clusterRig) account() (runs map[string]int64, problems []string) {
	r.t.Helper()
	runs = make(map[string]int64)
	for _, key := range r.keys {
		numbers := make(map[string]uint64)
		for e := range r.entries(r.client, key) {
			batch, _ := e.Values["n"].(string)
			run, text, ok := strings.Cut(batch, ":")
			if !ok {
				continue // a tick
			}
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				r.t.Fatal(err)
			}
			if n != numbers[run]+1 {
				problems = append(problems, fmt.Sprintf(
					"%s %s: batch %d stands behind %d of run %s", key, e.ID, n, numbers[run], run))
			}
			numbers[run] = n
			payload, _ := e.Values["m"].(string)
			for payload != "" {
				_, size, _ := message.Next(payload)
				payload = payload[size:]
				runs[run]++
			}
		}
	}
	return runs, problems
}

var generatorStop = regexp.MustCompile(
	`msg=stop .*published=(\d+) .*unacknowledged=(\d+) unsent=(\d+)`)

// counted is what a stopped generator says.
func (p *program) counted() (published, unacknowledged, unsent int64) {
	p.rig.t.Helper()
	line := generatorStop.FindStringSubmatch(p.output())
	if line == nil {
		p.rig.t.Fatalf("the generator does not say what it published:\n%s", p.tail())
	}
	published, _ = strconv.ParseInt(line[1], 10, 64)
	unacknowledged, _ = strconv.ParseInt(line[2], 10, 64)
	unsent, _ = strconv.ParseInt(line[3], 10, 64)
	return published, unacknowledged, unsent
}

// wantExact holds what the generator has published against the streams, and the bucket against
// them.
func (r *clusterRig) wantExact(generator *program) {
	r.t.Helper()
	r.cluster.WaitWhole()
	runs, problems := r.account()
	for _, p := range problems {
		r.t.Error(p)
	}
	published, unacknowledged, unsent := generator.counted()
	found := false
	for _, n := range runs {
		found = found || published <= n && n <= published+unsent
	}
	if !found || unacknowledged != 0 {
		r.t.Errorf("%d messages were published, %d unacknowledged, %d unsent; the streams hold %v",
			published, unacknowledged, unsent, runs)
	}
	want, messages := r.streamOracle(r.client, clusterWidth)
	r.waitCount(int64(messages))
	got := r.points()
	if diff := same(want, got, false); diff != "" {
		r.t.Errorf("-naive +bucket\n%.3000s", diff)
	}
	for key, p := range got {
		if !p.Complete {
			r.t.Errorf("the point of %s at %v is incomplete", key.Color, time.Unix(0, key.Start))
		}
	}
	r.say("%d messages of %d runs, %d points compared", messages, len(runs), len(want))
}

// wantNoTransactions reads the append-only files of all nodes.
func (r *clusterRig) wantNoTransactions() {
	r.t.Helper()
	for _, node := range r.cluster.Nodes {
		folder := filepath.Dir(node.AppendOnlyFile())
		files, err := filepath.Glob(filepath.Join(folder, "*.incr.aof"))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				r.t.Fatal(err)
			}
			if at := regexp.MustCompile(`(?i)\r\n(multi|exec)\r\n`).FindIndex(text); at != nil {
				r.t.Errorf("%s holds a transaction: %.300q", name, text[at[0]:])
			}
		}
	}
}
