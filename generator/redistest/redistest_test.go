package redistest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestKilledServerKeepsWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	s := Start(t, "--appendonly", "yes", "--appendfsync", "always")
	if err := s.Client().Set(t.Context(), "key", "value", 0).Err(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.AppendOnlyFile())
	if err != nil || !bytes.Contains(text, []byte("value")) {
		t.Errorf("the append-only file has %q, %v", text, err)
	}
	s.Kill()
	if err := s.Client().Ping(t.Context()).Err(); err == nil {
		t.Error("a killed server answers")
	}
	s.Restart()
	if got, err := s.Client().Get(t.Context(), "key").Result(); got != "value" {
		t.Errorf("after the restart: %q, %v", got, err)
	}
}

func TestStoppedServerHangs(t *testing.T) {
	t.Parallel()
	s := Start(t)
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	client := redis.NewClient(&redis.Options{
		Addr: s.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1,
	})
	defer client.Close()
	if err := client.Ping(ctx).Err(); err == nil {
		t.Error("a stopped server answers")
	}
	s.Resume()
	if err := s.Client().Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := StartCluster(t)
	options, err := redis.ParseClusterURL(c.URL())
	if err != nil || len(options.Addrs) != 6 {
		t.Fatalf("%s: %v, %v", c.URL(), options, err)
	}
	client := c.Client()
	check := func(when string) {
		t.Helper()
		for i := range 100 {
			key := fmt.Sprint("key", i)
			// A client may follow a redirection to a node that has not heard of the change.
			c.eventually(when+": "+key+" can be read", func() bool {
				got, err := client.Get(t.Context(), key).Result()
				return err == nil && got == key
			})
		}
	}
	for i := range 100 {
		key := fmt.Sprint("key", i)
		if err := client.Set(t.Context(), key, key, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
	check("at first")

	from := c.Master("key1")
	to := c.Nodes[0]
	if from == to {
		to = c.Nodes[1]
	}
	c.MoveSlot("key1", to)
	if got := c.Master("key1"); got != to {
		t.Errorf("after the move %s serves the key, want %s", got.Addr(), to.Addr())
	}
	check("after a move")

	replica := c.ReplicaOf("key1")
	c.Promote(replica)
	if got := c.WaitFailover("key1", to); got != replica {
		t.Errorf("after the promotion %s serves the key, want %s", got.Addr(), replica.Addr())
	}
	check("after a promotion")

	other := c.ReplicaOf("key1")
	c.Master("key1").Kill()
	if got := c.WaitFailover("key1", replica); got != other {
		t.Errorf("after a kill %s serves the key, want %s", got.Addr(), other.Addr())
	}
	check("after a kill")
	replica.Restart()
	c.eventually("the killed master comes back as a replica", func() bool {
		section := replica.replication()
		return section["role"] == "slave" && section["master_link_status"] == "up"
	})
}
