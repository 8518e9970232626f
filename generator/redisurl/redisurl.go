// Package redisurl makes Redis clients of a REDIS_URL, in one way for all programs:
//
//	redis://user:password@host:6379/0                        one server; rediss:// with TLS
//	unix:///run/redis.sock?db=0                              one server, on this machine
//	redis://a:6379?addr=b:6379&addr=c:6379                   a Redis cluster, any of its nodes
//	redis://sentinel:26379?master_name=mymaster&addr=b:26379 the master that sentinels name
//
// Other parameters are those of go-redis
// (https://pkg.go.dev/github.com/redis/go-redis/v9#ParseURL).
package redisurl

import (
	"context"
	"crypto/tls"
	"errors"
	"net/url"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// A Target is what a URL says.
type Target struct {
	one     *redis.Options // the one server, or the master that sentinels name
	cluster *redis.ClusterOptions
}

// Parse reads a URL. Its error does not hold the URL, which may have a password in it.
func Parse(text string) (Target, error) {
	u, err := url.Parse(text)
	if err != nil {
		return Target{}, errors.New("it is no URL")
	}
	var t Target
	switch q := u.Query(); {
	case q.Has("master_name"):
		var failover *redis.FailoverOptions
		if failover, err = redis.ParseFailoverURL(text); err == nil {
			// The dialer of a client that has connected to nothing asks the sentinels each time.
			t.one = redis.NewFailoverClient(failover).Options()
			t.one.Addr = failover.MasterName
		}
	case q.Has("addr"):
		t.cluster, err = redis.ParseClusterURL(text)
	default:
		t.one, err = redis.ParseURL(text)
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	if err == nil {
		// Each connection's own host: a cluster and sentinels have several.
		t.Secure(func(c *tls.Config) { c.ServerName = "" })
	}
	return t, err
}

// Secure lets change see to the TLS settings. It reports whether there are any: whether the URL is
// rediss://.
func (t Target) Secure(change func(*tls.Config)) bool {
	c := t.Options().TLSConfig
	if c != nil {
		change(c)
	}
	return c != nil
}

// Replicas is how many replicas of Redis must have a write: as many as REDIS_REPLICAS gives. Unset,
// which is nil, it is 1 on a cluster, whose masters may fail over to their replicas, else 0.
func (t Target) Replicas(given *uint16) int {
	switch {
	case given != nil:
		return int(*given)
	case t.IsCluster():
		return 1
	}
	return 0
}

// IsCluster reports whether the URL is that of a cluster.
func (t Target) IsCluster() bool { return t.cluster != nil }

// Address is where Redis is, without user or password.
func (t Target) Address() string { return t.Options().Addr }

// Options gives the options of a client of the one server, of the master, or of a cluster's first
// node.
func (t Target) Options() *redis.Options {
	if t.cluster != nil {
		return &redis.Options{
			Addr: t.cluster.Addrs[0], Username: t.cluster.Username, Password: t.cluster.Password,
			TLSConfig: t.cluster.TLSConfig,
		}
	}
	o := *t.one
	return &o
}

// A Client sends commands. Its callers know better than it what is to be tried again, and when: it
// does not retry, and it obeys the deadlines of contexts.
type Client struct{ redis.UniversalClient }

// Open makes a client, which connects when it is used. tune may change the options of each
// connection, and may be nil.
func (t Target) Open(tune func(*redis.Options)) Client {
	common := func(o *redis.Options) {
		o.Protocol, o.MaxRetries, o.ContextTimeoutEnabled = 2, -1, true
		o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
		o.DisableIdentity = true // a command that a user need not be allowed
		if tune != nil {
			tune(o)
		}
	}
	if t.cluster == nil {
		o := t.Options()
		common(o)
		return Client{redis.NewClient(o)}
	}
	o := *t.cluster
	o.Protocol, o.MaxRetries, o.MaxRedirects, o.ContextTimeoutEnabled = 2, -1, 3, true
	o.DisableIdentity = true
	if o.ClusterStateReloadInterval == 0 {
		// The library's minute is how long it would ask a killed master before it learns who took over.
		o.ClusterStateReloadInterval = 500 * time.Millisecond
	}
	o.NewClient = func(node *redis.Options) *redis.Client {
		common(node)
		return redis.NewClient(node)
	}
	return Client{redis.NewClusterClient(&o)}
}

// Node gives a client of the server that holds a key: the only one, or the key's master.
func (c Client) Node(ctx context.Context, key string) (*redis.Client, error) {
	switch client := c.UniversalClient.(type) {
	case *redis.ClusterClient:
		return client.MasterForKey(ctx, key)
	case *redis.Client:
		return client, nil
	}
	return nil, errors.New("redisurl: not a client of Open")
}

// Reload makes a cluster's client ask anew which server holds what.
func (c Client) Reload(ctx context.Context) {
	if client, ok := c.UniversalClient.(*redis.ClusterClient); ok {
		client.ReloadState(ctx)
	}
}
