package main

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"path/filepath"

	"github.com/alicebob/miniredis/v2"

	"colorstream/generator/redisserver"
	"colorstream/generator/service"
)

// findRedis decides between the user's Redis, the machine's redis-server and the stand-in.
func (s *stack) findRedis() error {
	u, err := url.Parse(s.RedisURL)
	if err == nil && u.Scheme == "redis" && !u.Query().Has("addr") && !u.Query().Has("master_name") {
		s.redis.listen = s.local("redis", s.RedisURL, "6379")
	} // who has TLS, a socket, a cluster or sentinels has set them up
	switch {
	case s.redis.listen == "" && s.Cluster:
		return service.Usage(service.Invalid("REDIS_CLUSTER", s.Cluster, "starts a cluster on this "+
			"machine, and REDIS_URL or STACK_EXTERNAL says that Redis is there already: unset one of them"))
	case s.redis.listen == "":
		return nil
	}
	if s.redis.path, err = redisserver.Find(); err != nil {
		if s.environ["REDIS_TRANSPORT"] == "stream" {
			return fmt.Errorf("REDIS_TRANSPORT=stream, and so WORKERS above 1 and REDIS_CLUSTER=1, "+
				"need a real Redis: %w", err)
		}
		s.redis.note = ", a built-in stand-in that keeps nothing: redis-server is not installed"
	}
	if s.Cluster {
		query := u.Query()
		for _, addr := range s.nodes()[1:] {
			query.Add("addr", addr)
		}
		u.Host, u.Path, u.RawQuery = s.redis.listen, "", query.Encode()
		s.RedisURL = u.String()
		s.environ["REDIS_URL"], s.environ["REDIS_URL_FILE"] = s.RedisURL, ""
	}
	return nil
}

// nodes are the addresses of the redis-servers to start: one, or those of a cluster.
func (s *stack) nodes() []string {
	nodes := []string{s.redis.listen}
	for s.Cluster && len(nodes) < redisserver.Nodes {
		nodes = append(nodes, above(s.redis.listen, len(nodes)))
	}
	return nodes
}

// startRedis starts one redis-server, or the stand-in. The last node makes the cluster.
func (s *stack) startRedis(ctx context.Context, node int) error {
	u, err := url.Parse(s.RedisURL)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	if s.redis.path == "" {
		m := miniredis.NewMiniRedis() // it ends with this process
		if password != "" {
			m.RequireAuth(password)
		}
		return m.StartAddr(s.redis.listen)
	}
	nodes, name := s.nodes(), "redis"
	c := redisserver.Config{
		Addr: nodes[node], Dir: filepath.Join(s.Data, "redis"), Password: password,
		Args: []string{"--appendonly", "yes"}, // a stream is to outlive a restart
	}
	if s.Cluster {
		name = fmt.Sprint("redis-", node+1)
		// The nodes remember each other's ports: with other ports they are another cluster.
		_, port, _ := net.SplitHostPort(c.Addr)
		c.Dir = filepath.Join(s.Data, "redis-cluster", port)
		c.Args = append(append(c.Args, redisserver.ClusterArgs...), "--cluster-node-timeout", "2000")
	}
	if c.Output, err = s.log(name); err != nil {
		return err
	}
	p, err := redisserver.Start(ctx, c)
	if err != nil {
		return err
	}
	s.children = append(s.children, child{name, p})
	if !s.Cluster || node < len(nodes)-1 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, programTimeout)
	defer cancel()
	return redisserver.FormCluster(ctx, nodes, password)
}
