package redisserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// masters is how many masters a cluster has.
const masters = 3

// Nodes is the number of servers in a cluster whose masters have one replica each.
const Nodes = 2 * masters

// ClusterArgs are the settings that make a server a node of a cluster. A cluster that has lost the
// master of some slots goes on serving the others.
var ClusterArgs = []string{"--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"}

// FormCluster makes running nodes without data a cluster: the first three addresses become masters
// of a third of the slots each, and all others their replicas. It waits until the cluster is whole.
// A cluster that was formed before stays as it is.
func FormCluster(ctx context.Context, addrs []string, password string) error {
	var nodes []*redis.Client
	for _, addr := range addrs {
		node := newClient(addr, password)
		defer node.Close()
		nodes = append(nodes, node)
	}
	info, err := nodes[0].ClusterInfo(ctx).Result()
	if err == nil && strings.Contains(info, "cluster_known_nodes:1\r\n") {
		err = create(ctx, addrs, password)
	}
	if err != nil {
		return fmt.Errorf("form a Redis cluster: %w", err)
	}
	for err = formed(ctx, nodes); err != nil; err = formed(ctx, nodes) {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("form a Redis cluster: %w: %w", context.Cause(ctx), err)
		}
	}
	return nil
}

// create makes a cluster of nodes that know nothing of each other. redis-cli comes with
// redis-server.
func create(ctx context.Context, addrs []string, password string) error {
	replicas := strconv.Itoa(len(addrs)/masters - 1)
	args := slices.Concat([]string{"--cluster", "create"}, addrs,
		[]string{"--cluster-replicas", replicas, "--cluster-yes"})
	cmd := exec.CommandContext(ctx, "redis-cli", args...)
	if password != "" {
		cmd.Env = append(os.Environ(), "REDISCLI_AUTH="+password)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("redis-cli --cluster create: %w:\n%s", err, out)
	}
	return nil
}

// formed returns nil when every node serves, knows all others, and every replica is in step.
func formed(ctx context.Context, nodes []*redis.Client) error {
	for _, node := range nodes {
		addr := node.Options().Addr
		info, err := node.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		for _, want := range []string{
			"cluster_state:ok", "cluster_slots_ok:16384", fmt.Sprint("cluster_known_nodes:", len(nodes)),
		} {
			if !strings.Contains(info, want+"\r\n") {
				return fmt.Errorf("%s does not say %s", addr, want)
			}
		}
		replication, err := node.InfoMap(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if section := replication["Replication"]; section["role"] == "slave" &&
			section["master_link_status"] != "up" {
			return fmt.Errorf("the replica %s is not in step", addr)
		}
	}
	return nil
}
