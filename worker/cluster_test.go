package main

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
)

var faultSeed = flag.Uint64("fault-seed", rand.Uint64(), "of TestClusterFaults")

// A clusterRig is a rig on a Redis cluster of three masters.
type clusterRig struct {
	*rig
	cluster *redistest.Cluster
	began   time.Time
	// cut cuts the link between a key's master and its replica, until mend is called.
	cut       func(key string, replica *redistest.Server) (mend func())
	workers   []*program
	far       []*program // further workers, which workerFaults leaves alone
	generator *program
}

const clusterWidth = time.Second

func newClusterRig(
	t *testing.T, c *redistest.Cluster, db *influxtest.Server, partitions int,
) *clusterRig {
	t.Helper()
	r := &clusterRig{rig: newRigAt(t, db, c.URL()), cluster: c, began: time.Now()}
	r.client = c.Client()
	r.cut = func(_ string, replica *redistest.Server) func() {
		c.CutLink(replica)
		return func() { c.MendLink(replica) }
	}
	r.stream(partitions)
	r.set("WORKER_WINDOW="+clusterWidth.String(), "GENERATOR_COLORS="+manyColors(5*partitions),
		"GENERATOR_RATE=10000", "REDIS_STREAM_KEEP=1h") // the streams are the oracle's input
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

// endure lets two or three workers run, with two generators and somebody who sends what is
// rejected, while Redis, the workers, a generator and InfluxDB fail in every way at random: in the
// end the bucket equals, point for point, what a naive program computes from the streams, they hold
// each acknowledged message once, and each rejected one has a dead letter.
func (r *clusterRig) endure(redisFaults, workerFaults []fault) {
	t := r.t
	t.Helper()
	r.workers = append(r.workers, r.start("worker"), r.start("worker"))
	r.generator = r.start("generator")
	var faults, rejecting sync.WaitGroup
	quit := make(chan struct{})
	year := r.began.AddDate(-1, 0, 0).Truncate(time.Second)
	const text = `color_metrics,color=%s mean="text" %d`
	r.db.Write(t, fmt.Sprintf(text, rejectedColor, year.UnixNano()))
	rejecting.Go(func() { r.sendRejected(year, quit) })
	var enough atomic.Bool
	struck := func(int) bool { return enough.Load() }
	faults.Go(func() {
		defer enough.Store(true)
		most := times(len(redisFaults))
		r.strike(0, 3*time.Second, func(n int) bool { return n >= most }, redisFaults...)
	})
	faults.Go(func() { r.strike(1, 2*time.Second, struck, workerFaults...) })
	faults.Go(func() {
		r.strike(2, 10*time.Second, struck, fault{"InfluxDB is away", func(random *rand.Rand) {
			r.db.Stop(t)
			time.Sleep(between(random, time.Second, 8*time.Second))
			r.db.Restart(t)
		}})
	})
	faults.Go(func() {
		r.strike(3, 5*time.Second, struck, fault{"a generator is killed", func(random *rand.Rand) {
			other := r.start("generator", "GENERATOR_RATE=1000")
			time.Sleep(between(random, time.Second, 5*time.Second))
			other.kill()
		}})
	})
	faults.Wait()
	close(quit)
	rejecting.Wait()
	if t.Failed() {
		return
	}
	r.say("all is well again")
	r.generator.stop()
	r.cluster.WaitWhole()
	r.wantExact()
	all := slices.Concat(r.workers, r.far)
	r.wantOwners(all)
	for _, w := range all {
		m := w.metrics()
		t.Logf("%v take-overs, %v commits fenced", m["takeovers_total"], m["fenced_commits_total"])
	}
	r.wantNoTransactions()
}

// wantOwners waits until some workers own all partitions.
func (r *clusterRig) wantOwners(workers []*program) {
	r.t.Helper()
	r.eventually("each partition has one owner", func() bool {
		n := 0.0
		for _, w := range workers {
			n += w.metrics()["partition_owned"]
		}
		return n == float64(len(r.keys))
	})
}

// TestClusterFaults endures all faults on three masters with a replica each.
func TestClusterFaults(t *testing.T) {
	t.Parallel()
	t.Logf("-args -fault-seed %d", *faultSeed)
	c := redistest.StartCluster(t, "--appendonly", "yes")
	r := newClusterRig(t, c, influxtest.Start(t), 8+int(*faultSeed%5))
	r.endure(r.redisFaults(), r.workerFaults())
}

const rejectedColor = "odd"

// sendRejected sends what is rejected: entries that are no messages, and messages of a year in
// which InfluxDB has a field of another type.
func (r *clusterRig) sendRejected(year time.Time, quit <-chan struct{}) {
	for n := 0; ; n++ {
		values := []any{"foo", n}
		if n%5 == 0 {
			ts := year.UnixMilli() + 1000*int64(n)
			values = []any{"m", fmt.Sprintf(`{"color":%q,"value":1,"ts":%d}`, rejectedColor, ts)}
		}
		entry := &redis.XAddArgs{Stream: r.keys[n%len(r.keys)], Values: values}
		for sent := false; !sent; {
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
			sent = r.client.XAdd(r.t.Context(), entry).Err() == nil
		}
	}
}

// wantLetters wants a dead letter, at least, for all that sendRejected has brought into the
// streams.
func (r *clusterRig) wantLetters(rejected map[string]bool) {
	r.t.Helper()
	missing := maps.Clone(rejected)
	defer func() {
		r.say("%d of %d have no dead letter: %.300v", len(missing), len(rejected), missing)
	}()
	r.eventually("dead letters are there", func() bool {
		for e := range r.entries("colors:rejected") {
			payload, _ := e.Values["payload"].(string)
			if e.Values["reason"] == "influxdb" {
				payload = payload[strings.LastIndexByte(payload, ' ')+1:]
			}
			delete(missing, payload)
		}
		return len(missing) == 0
	})
	// The points that InfluxDB rejected are not compared, and their field of another type is not read.
	const all = `{"start":"1970-01-01T00:00:00Z","stop":"2100-01-01T00:00:00Z","predicate":"color=%s"}`
	admin(r.t, r.db, http.MethodPost, "/api/v2/delete?org="+r.db.Org+"&bucket="+r.db.Bucket,
		fmt.Sprintf(all, rejectedColor), nil)
}

// wantExact holds what the stopped generator has published against the streams, and the bucket and
// the dead letters against them.
func (r *clusterRig) wantExact() {
	r.t.Helper()
	c := r.contents(clusterWidth)
	for _, p := range c.problems {
		r.t.Error(p)
	}
	said := r.generator.said("stop")
	found := false
	for _, n := range c.runs {
		found = found || said["published"] <= n && n <= said["published"]+said["unsent"]
	}
	if !found || said["unacknowledged"] != 0 {
		r.t.Errorf("the generator says %v; the streams hold %v", said, c.runs)
	}
	r.wantLetters(c.rejected)
	r.want(r.naive(c.values))
	r.say("%d messages of %d runs, %d points compared", c.messages, len(c.runs), len(c.values))
}

var transaction = regexp.MustCompile(`(?i)\r\n(multi|exec)\r\n`)

// wantNoTransactions reads the append-only files of all nodes.
func (r *clusterRig) wantNoTransactions() {
	r.t.Helper()
	for _, node := range r.cluster.Nodes {
		files, err := filepath.Glob(filepath.Join(filepath.Dir(node.AppendOnlyFile()), "*.incr.aof"))
		if err != nil {
			r.t.Fatal(err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				r.t.Fatal(err)
			}
			if at := transaction.FindIndex(text); at != nil {
				r.t.Errorf("%s holds a transaction: %.300q", name, text[at[0]:])
			}
		}
	}
}
