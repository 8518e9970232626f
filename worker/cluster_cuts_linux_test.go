package main

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
)

// cutRig makes a rig on three masters with two replicas each, which both have what is acknowledged,
// on a network whose links are cut for real. The test's programs reach all nodes.
func cutRig(t *testing.T, n *redistest.Network, c *redistest.Cluster) *clusterRig {
	t.Helper()
	r := newClusterRig(t, c, influxtest.Start(t), 8+int(*faultSeed%5))
	r.set("REDIS_REPLICAS=2")
	r.cut = func(key string, replica *redistest.Server) func() {
		some, others := []*redistest.Host{c.Master(key).Host}, []*redistest.Host{replica.Host}
		n.Cut(some, others)
		return func() { n.Mend(some, others) }
	}
	return r
}

// alone cuts the master of a key, and some of its replicas, off from all other nodes until another
// replica is promoted, and for a while longer. Clients reach both sides.
func (r *clusterRig) alone(n *redistest.Network, key string, replicas int, longer time.Duration) {
	r.t.Helper()
	master := r.cluster.Master(key)
	some := []*redistest.Host{master.Host}
	for _, replica := range r.cluster.Replicas(key)[:replicas] {
		some = append(some, replica.Host)
	}
	var others []*redistest.Host
	for _, node := range r.cluster.Nodes {
		if !slices.Contains(some, node.Host) {
			others = append(others, node.Host)
		}
	}
	n.Cut(some, others)
	r.cluster.WaitFailover(key, master)
	time.Sleep(longer)
	n.Mend(some, others)
	r.cluster.WaitWhole()
}

// fenced is how often the nodes have answered FENCED since they were started.
func (r *clusterRig) fenced() (calls int) {
	r.t.Helper()
	for _, node := range r.cluster.Nodes {
		info, err := node.Client().Info(r.t.Context(), "errorstats").Result()
		if err != nil {
			r.t.Fatal(err)
		}
		_, text, _ := strings.Cut(info, "errorstat_FENCED:count=")
		text, _, _ = strings.Cut(text, "\r")
		n, _ := strconv.Atoi(text)
		calls += n
	}
	return calls
}

// TestClusterCuts endures all faults of TestClusterFaults, and networks that break, on three
// masters with two replicas each.
func TestClusterCuts(t *testing.T) {
	t.Parallel()
	redistest.OnNetwork(t, func(n *redistest.Network) {
		t.Logf("-args -fault-seed %d", *faultSeed)
		var nodes []*redistest.Host
		for range 9 {
			nodes = append(nodes, n.Host())
		}
		// Redis would give a master that lost its replicas one of another master's two, which then has
		// too few for good.
		c := redistest.StartClusterOn(t, nodes, "--appendonly", "yes",
			"--cluster-allow-replica-migration", "no")
		// A master that is alone with a replica and its clients goes on for the time of
		// cluster-node-timeout; the replica that is promoted elsewhere has nothing of that.
		apart := func(r *clusterRig) { r.alone(n, "colors", 1, time.Second) }
		wantWrong(t, false, freshRig(t, c).missingAfter("2", apart))
		wantWrong(t, true, freshRig(t, c).missingAfter("1", apart))
		_ = freshRig(t, c)

		r := cutRig(t, n, c)
		// One worker is on a host of its own, from where it reaches InfluxDB by a way that remains.
		far := *r.rig
		far.host = n.Host()
		influxdb := redistest.NewProxy(t, redistest.RouterAddr, strings.TrimPrefix(r.db.URL, "http://"))
		r.far = append(r.far, far.start("worker", "INFLUX_URL=http://"+influxdb.Addr()))
		key := func(random *rand.Rand) string { return r.keys[random.IntN(len(r.keys))] }
		cutOff := []*redistest.Host{far.host}
		r.endure(append(r.redisFaults(), fault{"a master is alone with clients", func(random *rand.Rand) {
			r.alone(n, key(random), 0, between(random, 0, 2*time.Second))
		}}, fault{"a master and a replica are alone with clients", func(random *rand.Rand) {
			r.alone(n, key(random), 1, between(random, 0, 2*time.Second))
		}}), append(r.workerFaults(), fault{"a worker is cut off from Redis", func(random *rand.Rand) {
			n.Cut(cutOff, nodes)
			time.Sleep(lease + between(random, 500*time.Millisecond, 3*time.Second))
			n.Mend(cutOff, nodes)
		}}))
		if t.Failed() {
			return
		}
		// Without any other fault: what it has sent comes when the partitions are others'.
		n.Cut(cutOff, nodes)
		r.wantOwners(r.workers)
		before := r.fenced()
		n.Mend(cutOff, nodes)
		r.eventually("what a worker sent before it was cut off is fenced",
			func() bool { return r.fenced() > before })
	})
}
