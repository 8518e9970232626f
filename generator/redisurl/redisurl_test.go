package redisurl

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colorstream/generator/process"
	"colorstream/generator/redistest"
	"colorstream/generator/service/servicetest"
)

func TestParse(t *testing.T) {
	for text, address := range map[string]string{
		"redis://user:secret@host:7/3":                           "host:7",
		"rediss://host":                                          "host:6379",
		"unix:///run/redis.sock":                                 "/run/redis.sock",
		"redis://a:1?addr=b:2&addr=c:3":                          "a:1",
		"redis://s:26379?master_name=mymaster&addr=t:26379&db=1": "mymaster",
	} {
		target, err := Parse(text)
		if err != nil || target.Address() != address {
			t.Errorf("%s: %v, %v", text, target.Address(), err)
		}
		if target.IsCluster() != strings.Contains(text, "?addr=") {
			t.Errorf("%s: cluster %v", text, target.IsCluster())
		}
	}
	for _, text := range []string{
		"", "http://host", "redis://host/x", "redis://u:secret@%zz", "redis://u:secret@h/0?nonsense=1",
	} {
		if _, err := Parse(text); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func TestNode(t *testing.T) {
	t.Parallel()
	client := open(t, redistest.Start(t).URL())
	node, err := client.Node(t.Context(), "colors")
	if err != nil || node.Ping(t.Context()).Err() != nil {
		t.Error(err)
	}
}

// Sentinels are asked where the master is.
func TestSentinel(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	addr := process.FreeAddr()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("bind 127.0.0.1\nport %s\nsentinel monitor mymaster %s 1\n",
		strings.TrimPrefix(addr, "127.0.0.1:"), strings.Replace(server.Addr(), ":", " ", 1))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel, err := process.Start(exec.Command("redis-server", config, "--sentinel"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sentinel.Kill)
	client := open(t, "redis://"+addr+"?master_name=mymaster")
	servicetest.Eventually(t, "the master is found",
		func() bool { return client.Set(t.Context(), "key", "value", 0).Err() == nil })
	if got := server.Client().Get(t.Context(), "key").Val(); got != "value" {
		t.Errorf("the master has %q", got)
	}
}

func open(t *testing.T, url string) Client {
	t.Helper()
	target, err := Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	client := target.Open(nil)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func TestReplicas(t *testing.T) {
	t.Parallel()
	check := func(url string, given *uint16, want int) {
		t.Helper()
		target, err := Parse(url)
		if got := target.Replicas(given); err != nil || got != want {
			t.Errorf("%s, %v: %d, %v; want %d", url, given, got, err, want)
		}
	}
	const one, cluster = "redis://a", "redis://a?addr=b:6379"
	check(one, nil, 0)
	check(cluster, nil, 1)
	check(cluster, new(uint16(0)), 0)
	check(one, new(uint16(2)), 2)
}

// A client knows which node has a key, and learns of a failover by itself, without a command that
// fails.
func TestClusterNode(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	client := open(t, cluster.URL())
	node := func(key string) string {
		node, err := client.Node(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		return node.Options().Addr
	}
	for _, key := range []string{"a", "b", "c", "d", "colors"} {
		if got, want := node(key), cluster.Master(key).Addr(); got != want {
			t.Errorf("%s is on %s, want %s", key, got, want)
		}
	}
	old := cluster.Master("colors")
	old.Kill()
	want := cluster.WaitFailover("colors", old).Addr()
	deadline := time.Now().Add(5 * time.Second)
	for ; node("colors") != want; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("five seconds after the failover to %s it still asks %s", want, node("colors"))
		}
	}
}
