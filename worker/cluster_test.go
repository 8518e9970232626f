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
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/store"
)

var faultSeed = flag.Uint64("fault-seed", rand.Uint64(), "of TestClusterFaults")

// A clusterRig is a rig on a Redis cluster of three masters.
type clusterRig struct {
	*rig
	cluster *redistest.Cluster
	client  *redis.ClusterClient
	keys    []string
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
	r := &clusterRig{
		rig: newRigAt(t, db, c.URL()), cluster: c, client: c.Client(),
		keys: store.Streams("colors", partitions), began: time.Now(),
	}
	r.cut = func(_ string, replica *redistest.Server) func() {
		c.CutLink(replica)
		return func() { c.MendLink(replica) }
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

// endure lets two or three workers run, with two generators and somebody who sends what is
// rejected, while Redis, the workers, a generator and InfluxDB fail in every way at random: in the
// end the bucket equals, point for point, what a naive program computes from the streams, they hold
// each acknowledged message once, and each rejected one has a dead letter.
func (r *clusterRig) endure(redisFaults, workerFaults []fault) {
	t := r.t
	t.Helper()
	r.workers = append(r.workers, r.start("worker", nil), r.start("worker", nil))
	addr := freeAddr(t)
	r.generator = r.start("generator", map[string]string{"GENERATOR_ADDR": addr})
	r.generator.addr = addr
	quit := make(chan struct{})
	var faults, rejecting sync.WaitGroup
	year := r.began.AddDate(-1, 0, 0).Truncate(time.Second)
	const text = `color_metrics,color=%s mean="text" %d`
	r.db.Write(t, fmt.Sprintf(text, rejectedColor, year.UnixNano()))
	rejecting.Go(func() { r.sendRejected(year, quit) })
	duration := 60 * time.Second
	if testing.Short() {
		duration = 0 // each fault once
	}
	end := time.Now().Add(duration)
	faults.Go(func() { r.strike(*faultSeed, end, 3*time.Second, redisFaults...) })
	faults.Go(func() { r.strike(*faultSeed+1, end, 2*time.Second, workerFaults...) })
	faults.Go(func() {
		away := func(random *rand.Rand) {
			r.db.Stop(t)
			time.Sleep(between(random, time.Second, 8*time.Second))
			r.db.Restart(t)
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
	close(quit)
	rejecting.Wait()
	if t.Failed() {
		return
	}
	r.say("all is well again")
	r.generator.stop()
	r.cluster.WaitWhole()
	r.wantLetters()
	r.wantExact(r.generator)
	r.wantOwners(slices.Concat(r.workers, r.far))
	for _, w := range slices.Concat(r.workers, r.far) {
		m := w.metrics()
		t.Logf("%v take-overs, %v commits fenced", m["takeovers_total"], m["fenced_commits_total"])
	}
	r.wantNoTransactions()
}

// wantOwners waits until some workers own all partitions.
func (r *clusterRig) wantOwners(workers []*program) {
	r.t.Helper()
	r.eventually("each partition has one owner", 20*time.Second, func() bool {
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

const rejectedColor = "odd"

// wantLetters wants a dead letter, at least, for all that sendRejected has brought into the
// streams.
func (r *clusterRig) wantLetters() {
	r.t.Helper()
	sent := make(map[string]bool)
	for _, key := range r.keys {
		for e := range r.entries(r.client, key) {
			if n, ok := e.Values["foo"].(string); ok {
				sent[fmt.Sprintf("foo=%q", n)] = true
			} else if m, _ := e.Values["m"].(string); strings.Contains(m, rejectedColor) {
				sent[m[strings.LastIndexAny(m, ":")+1:len(m)-1]+"000000"] = true
			}
		}
	}
	var missing map[string]bool
	letters := 0
	defer func() {
		if len(missing) > 0 {
			r.t.Errorf("%d of %d have no dead letter: %v", len(missing), len(sent), missing)
		}
	}()
	r.eventually("dead letters are there", 60*time.Second, func() bool {
		missing, letters = maps.Clone(sent), 0
		for e := range r.entries(r.client, "colors:rejected") {
			payload, _ := e.Values["payload"].(string)
			if e.Values["reason"] == "influxdb" {
				payload = payload[strings.LastIndexByte(payload, ' ')+1:]
			}
			delete(missing, payload)
			letters++
		}
		return len(missing) == 0
	})
	r.say("%d dead letters of %d rejected", letters, len(sent))
	// The points that InfluxDB rejected are not compared, and their field of another type is not read.
	const all = `{"start":"1970-01-01T00:00:00Z","stop":"2100-01-01T00:00:00Z","predicate":"color=%s"}`
	admin(r.t, r.db, http.MethodPost, "/api/v2/delete?org="+r.db.Org+"&bucket="+r.db.Bucket,
		fmt.Sprintf(all, rejectedColor), nil)
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
	maps.DeleteFunc(want, func(key pointKey, p point) bool {
		rejected := key.Color == rejectedColor
		if rejected {
			messages -= int(p.Count)
		}
		return rejected
	})
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
