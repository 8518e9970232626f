package redisserver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	masters      = 3
	slots        = 16384
	pollInterval = 50 * time.Millisecond
)

// Nodes is the number of servers in a cluster whose masters have one replica each.
const Nodes = 2 * masters

// ClusterArgs are the settings that make a server a node of a cluster. A cluster that has lost the
// master of some slots goes on serving the others.
var ClusterArgs = []string{"--cluster-enabled", "yes", "--cluster-require-full-coverage", "no"}

// FormCluster makes running nodes without data a cluster: the first three addresses become masters
// of a third of the slots each, and address i+3 the replica of address i, as address i+6 may be. It
// waits until the cluster is whole. A cluster that was formed before stays as it is.
func FormCluster(ctx context.Context, addrs []string, password string) error {
	if len(addrs) < Nodes || len(addrs)%masters != 0 {
		return fmt.Errorf("form a Redis cluster: %d addresses instead of %d", len(addrs), Nodes)
	}
	var nodes []*redis.Client
	for _, addr := range addrs {
		node := newClient(addr, password)
		defer node.Close()
		nodes = append(nodes, node)
	}
	err := formed(ctx, nodes)
	if info, infoErr := nodes[0].ClusterInfo(ctx).Result(); infoErr != nil {
		return fmt.Errorf("form a Redis cluster: %w", infoErr)
	} else if strings.Contains(info, "cluster_known_nodes:1\r\n") {
		err = form(ctx, nodes)
	}
	for err != nil {
		select {
		case <-time.After(pollInterval):
			err = formed(ctx, nodes)
		case <-ctx.Done():
			return fmt.Errorf("form a Redis cluster: %w: %w", context.Cause(ctx), err)
		}
	}
	return nil
}

func form(ctx context.Context, nodes []*redis.Client) error {
	var ids []string
	for i, node := range nodes {
		id, err := node.ClusterMyID(ctx).Result()
		if err != nil {
			return err
		}
		ids = append(ids, id)
		// Masters with different epochs never argue about a slot.
		if err := node.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
			return err
		}
		if i < masters {
			first, last := i*slots/masters, (i+1)*slots/masters-1
			if err := node.ClusterAddSlotsRange(ctx, first, last).Err(); err != nil {
				return err
			}
		}
	}
	host, port, _ := strings.Cut(nodes[0].Options().Addr, ":")
	for _, node := range nodes[1:] {
		if err := node.ClusterMeet(ctx, host, port).Err(); err != nil {
			return err
		}
	}
	for i, node := range nodes[masters:] {
		for {
			err := node.ClusterReplicate(ctx, ids[i%masters]).Err()
			if err == nil {
				break
			}
			if !strings.Contains(err.Error(), "Unknown node") { // gossip has not told of it yet
				return err
			}
			select {
			case <-time.After(pollInterval):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	}
	return errors.New("it was just formed")
}

// formed returns nil when every node serves, knows all others, and every replica is in step.
func formed(ctx context.Context, nodes []*redis.Client) error {
	replicas := 0
	for _, node := range nodes {
		addr := node.Options().Addr
		info, err := node.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		for _, want := range []string{
			"cluster_state:ok", fmt.Sprint("cluster_slots_ok:", slots),
			fmt.Sprint("cluster_known_nodes:", len(nodes)),
		} {
			if !strings.Contains(info, want+"\r\n") {
				return fmt.Errorf("%s does not say %s", addr, want)
			}
		}
		replication, err := node.InfoMap(ctx, "replication").Result()
		if err != nil {
			return err
		}
		if section := replication["Replication"]; section["role"] == "slave" {
			if section["master_link_status"] != "up" {
				return fmt.Errorf("the replica %s is not in step", addr)
			}
			replicas++
		}
	}
	if replicas != len(nodes)-masters {
		return fmt.Errorf("%d replicas", replicas)
	}
	return nil
}
