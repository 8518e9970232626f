package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/certs/certstest"
	"colorstream/generator/redistest"
	"colorstream/influxdb/influxtest"
)

// userLine is the line of docs/redis.md that makes a program's user, as arguments.
func userLine(t *testing.T, name string) []any {
	t.Helper()
	text, err := os.ReadFile("docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^    (ACL SETUSER ` + name + ` .*)$`).FindStringSubmatch(string(text))
	if line == nil {
		t.Fatalf("there is no line for %s", name)
	}
	var args []any
	for arg := range strings.FieldsSeq(line[1]) {
		args = append(args, arg)
	}
	return args
}

// The programs run with the users of docs/redis.md, with TLS and their own certificates; a command
// that they do not need is denied.
func TestRestrictedUsers(t *testing.T) {
	t.Parallel()
	authority := certstest.New(t)
	for _, transport := range []string{pubsub, stream} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, nil)
			admin := r.redis.Client()
			its := authority.Issue(t, t.TempDir())
			address := strings.TrimPrefix(r.redis.ServeTLS(its.CA, its.Cert, its.Key), "rediss://")
			env := func(name string) map[string]string {
				if err := admin.Do(t.Context(), userLine(t, name)...).Err(); err != nil {
					t.Fatal(err)
				}
				files := authority.Issue(t, t.TempDir())
				return map[string]string{
					"REDIS_URL": "rediss://" + name + ":PASSWORD@" + address, "REDIS_TRANSPORT": transport,
					"REDIS_CA_FILE": files.CA, "REDIS_CERT_FILE": files.Cert, "REDIS_KEY_FILE": files.Key,
					"WORKER_WINDOW": "1s", "WORKER_LATENESS": "0s", "GENERATOR_COUNT": "200", "GENERATOR_RATE": "100",
				}
			}
			worker, generator := env("worker"), env("generator")
			p := r.worker(worker)
			r.generate(generator)
			if transport == stream { // a dead letter
				addEntry(t, admin, "m", "bad")
			} else {
				publish(t, admin, "bad")
			}
			r.wantRestricted(p, worker, generator, admin)
			for _, name := range []string{"worker", "generator"} {
				opt := *admin.Options()
				opt.Username, opt.Password = name, "PASSWORD"
				user := redis.NewClient(&opt)
				defer user.Close()
				for _, command := range [][]any{
					{"flushall"},
					{"keys", "*"},
					{"config", "get", "*"},
					{"del", "colors"},
					{"get", "other"},
					{"client", "setname", "x"},
					{"publish", "other", "x"},
				} {
					err := user.Do(t.Context(), command...).Err()
					if err == nil || !strings.Contains(err.Error(), "NOPERM") {
						t.Errorf("%s may %v: %v", name, command, err)
					}
				}
			}
		})
	}
}

// The same users suffice on a cluster, when each node has them.
func TestRestrictedUsersOnCluster(t *testing.T) {
	t.Parallel()
	c := redistest.StartCluster(t)
	r := newClusterRig(t, c, influxtest.Shared(t).NewBucket(t), 2)
	env := func(name string) map[string]string {
		for _, node := range c.Nodes {
			if err := node.Client().Do(t.Context(), userLine(t, name)...).Err(); err != nil {
				t.Fatal(err)
			}
		}
		return map[string]string{
			"REDIS_URL":       strings.Replace(c.URL(), "://", "://"+name+":PASSWORD@", 1),
			"GENERATOR_COUNT": "200",
		}
	}
	worker, generator := env("worker"), env("generator")
	w := r.start("worker", worker)
	r.generate(generator)
	bad := &redis.XAddArgs{Stream: r.keys[0], Values: []string{"foo", "bar"}}
	if err := r.client.XAdd(t.Context(), bad).Err(); err != nil {
		t.Fatal(err)
	}
	var nodes []*redis.Client
	for _, node := range c.Nodes {
		nodes = append(nodes, node.Client())
	}
	r.wantRestricted(w, worker, generator, nodes...)
}

// wantRestricted wants 200 messages in points and a dead letter, that the commands check succeed,
// and that the nodes have denied nothing. It stops the worker.
func (r *rig) wantRestricted(
	w *program, worker, generator map[string]string, nodes ...*redis.Client,
) {
	r.t.Helper()
	r.waitCount(200)
	r.eventually("a dead letter", 20*time.Second, func() bool {
		n := int64(0)
		for _, node := range nodes {
			n = max(n, node.XLen(r.t.Context(), "colors:rejected").Val())
		}
		return n == 1
	})
	for name, env := range map[string]map[string]string{"worker": worker, "generator": generator} {
		if err := r.start(name, env, "check").wait(time.Minute); err != nil {
			r.t.Errorf("%s check: %v", name, err)
		}
	}
	w.stop()
	for _, node := range nodes {
		if log := node.Do(r.t.Context(), "acl", "log").Val(); len(log.([]any)) > 0 {
			r.t.Errorf("Redis denied %v", log)
		}
	}
}
