package redistest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redisserver"
)

const clusterTimeout = 60 * time.Second

// A Cluster is a Redis cluster of three masters, with one replica each or two. It ends with the
// test.
type Cluster struct {
	// Nodes are first masters (0 to 2) and replicas, until a test changes that.
	Nodes []*Server

	t testing.TB
}

// StartCluster starts a cluster with further settings for every node. A node that does not answer
// for a second counts as failed; its replica is promoted a moment later.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	return StartClusterOn(t, make([]*Host, redisserver.Nodes), args...)
}

// StartClusterOn starts a cluster with a node on each host.
func StartClusterOn(t testing.TB, hosts []*Host, args ...string) *Cluster {
	t.Helper()
	c := &Cluster{t: t}
	args = slices.Concat(redisserver.ClusterArgs,
		[]string{"--cluster-node-timeout", "1000", "--repl-diskless-sync-delay", "0"}, args)
	for _, host := range hosts {
		c.Nodes = append(c.Nodes, start(t, host, args...))
	}
	c.WaitWhole()
	return c
}

// WaitWhole waits until every slot has a master, and all replicas are in step.
func (c *Cluster) WaitWhole() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), clusterTimeout)
	defer cancel()
	if err := redisserver.FormCluster(ctx, c.addrs(), ""); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) addrs() (addrs []string) {
	for _, node := range c.Nodes {
		addrs = append(addrs, node.Addr())
	}
	return addrs
}

// URL returns the cluster's REDIS_URL: the first node, and the others as ?addr=.
func (c *Cluster) URL() string {
	var others []string
	for _, node := range c.Nodes[1:] {
		others = append(others, "addr="+node.Addr())
	}
	return "redis://" + c.Nodes[0].Addr() + "?" + strings.Join(others, "&")
}

// Client returns a client that ends with the test.
func (c *Cluster) Client() *redis.ClusterClient {
	// By default, a client asks a killed master for up to a minute before it learns who came after it.
	client := redis.NewClusterClient(&redis.ClusterOptions{
		Addrs: c.addrs(), ClusterStateReloadInterval: 500 * time.Millisecond,
	})
	c.t.Cleanup(func() { _ = client.Close() })
	return client
}

// Master returns the node that serves the key now, as most nodes have it.
func (c *Cluster) Master(key string) *Server {
	c.t.Helper()
	master, votes := c.elect(key, nil)
	if master == nil {
		c.t.Fatalf("nodes disagree about the master of %q: %v", key, votes)
	}
	return master
}

// elect asks all nodes but one which node serves the key, and returns the one that most name, nil
// if there is none, and how often each is named.
func (c *Cluster) elect(key string, but *Server) (master *Server, votes map[string]int) {
	votes = make(map[string]int)
	for _, node := range c.Nodes {
		if node == but {
			continue
		}
		if addr, err := node.ownerOf(c.t.Context(), key); err == nil {
			votes[addr]++
		}
	}
	for _, node := range c.Nodes {
		if node != but && votes[node.Addr()] > len(c.Nodes)/2-1 {
			master = node
		}
	}
	return master, votes
}

// ownerOf returns the address of the master of the key's slot, as this node knows it.
func (s *Server) ownerOf(ctx context.Context, key string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	client := redis.NewClient(&redis.Options{Addr: s.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	err := client.Exists(ctx, key).Err()
	if addr, moved := redis.IsMovedError(err); moved {
		return addr, nil
	}
	return s.Addr(), err
}

// Replicas returns the nodes that replicate the master of the key, one at least.
func (c *Cluster) Replicas(key string) (replicas []*Server) {
	c.t.Helper()
	master := c.Master(key)
	for _, node := range c.Nodes {
		section := node.replication()
		if section["master_host"]+":"+section["master_port"] == master.Addr() {
			replicas = append(replicas, node)
		}
	}
	if len(replicas) == 0 {
		c.t.Fatalf("%s has no replica", master.Addr())
	}
	return replicas
}

// CutLink keeps a replica from its master, which goes on without it, until MendLink. Both stay in
// the cluster.
func (c *Cluster) CutLink(replica *Server) { c.link(replica, "nobody") }

// MendLink lets a replica follow its master again.
func (c *Cluster) MendLink(replica *Server) { c.link(replica, "") }

func (c *Cluster) link(replica *Server, user string) {
	c.t.Helper()
	client := replica.Client()
	ctx := c.t.Context()
	// The replica is no user of its master's, and has to say who it is as it connects anew.
	err := errors.Join(
		client.ConfigSet(ctx, "masteruser", user).Err(),
		client.ConfigSet(ctx, "masterauth", user).Err(),
		client.ClientKillByFilter(ctx, "TYPE", "master").Err(),
	)
	if err != nil {
		c.t.Fatal(err)
	}
	status := map[bool]string{true: "up", false: "down"}[user == ""]
	c.eventually("the link is "+status, func() bool {
		section := replica.replication()
		return section["role"] == "master" || section["master_link_status"] == status
	})
}

// Promote makes the replica a master without any vote, also where its master is alive.
func (c *Cluster) Promote(replica *Server) {
	c.t.Helper()
	err := replica.Client().Do(c.t.Context(), "cluster", "failover", "takeover").Err()
	if err != nil {
		c.t.Fatalf("promote %s: %v", replica.Addr(), err)
	}
	c.eventually("the replica is promoted", func() bool {
		return replica.replication()["role"] == "master"
	})
}

// WaitFailover waits until a node other than the old master serves the key.
func (c *Cluster) WaitFailover(key string, old *Server) *Server {
	c.t.Helper()
	var master *Server
	c.eventually("another node serves the key", func() bool {
		master, _ = c.elect(key, old)
		return master != nil
	})
	return master
}

// MoveSlot moves the key's slot with all its keys to another master, as redis-cli --cluster reshard
// does.
func (c *Cluster) MoveSlot(key string, to *Server) {
	c.t.Helper()
	ctx := c.t.Context()
	from := c.Master(key)
	source, target := from.Client(), to.Client()
	do := func(client *redis.Client, command ...any) {
		c.t.Helper()
		if err := client.Do(ctx, command...).Err(); err != nil {
			c.t.Fatalf("move the slot of %q: %v: %v", key, command, err)
		}
	}
	slot, err := source.ClusterKeySlot(ctx, key).Result()
	if err != nil {
		c.t.Fatal(err)
	}
	sourceID, targetID := source.ClusterMyID(ctx).Val(), target.ClusterMyID(ctx).Val()
	do(target, "cluster", "setslot", slot, "importing", sourceID)
	do(source, "cluster", "setslot", slot, "migrating", targetID)
	host, port, _ := strings.Cut(to.Addr(), ":")
	for {
		keys, err := source.ClusterGetKeysInSlot(ctx, int(slot), 100).Result()
		if err != nil {
			c.t.Fatal(err)
		}
		if len(keys) == 0 {
			break
		}
		command := []any{"migrate", host, port, "", 0, 5000, "keys"}
		for _, k := range keys {
			command = append(command, k)
		}
		do(source, command...)
	}
	do(target, "cluster", "setslot", slot, "node", targetID)
	do(source, "cluster", "setslot", slot, "node", targetID)
	c.eventually("the slot has moved", func() bool {
		for _, node := range c.Nodes {
			if addr, err := node.ownerOf(ctx, key); err == nil && addr != to.Addr() {
				return false
			}
		}
		return true
	})
}

func (c *Cluster) eventually(what string, ok func() bool) {
	c.t.Helper()
	for deadline := time.Now().Add(clusterTimeout); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			c.t.Fatalf("not within %v: %s", clusterTimeout, what)
		}
	}
}
