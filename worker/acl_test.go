package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

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
	line := regexp.MustCompile(`(?m)^    (ACL SETUSER ` + name + ` .*)$`).FindStringSubmatch(
		string(text))
	if line == nil {
		t.Fatalf("there is no line for %s", name)
	}
	var args []any
	for arg := range strings.FieldsSeq(line[1]) {
		args = append(args, arg)
	}
	return args
}

// The programs run with the users of docs/redis.md, with TLS and their own certificates where there
// is one Redis; a command that they do not need is denied. The same users suffice on a cluster,
// when each node has them.
func TestRestrictedUsers(t *testing.T) {
	t.Parallel()
	authority := certstest.New(t)
	one := func(t *testing.T) (r *rig, nodes []*redis.Client, url string) {
		r = newRig(t, nil)
		its := authority.Issue(t, t.TempDir())
		return r, []*redis.Client{r.redis.Client()}, r.redis.ServeTLS(its.CA, its.Cert, its.Key)
	}
	for name, start := range map[string]func(t *testing.T) (*rig, []*redis.Client, string){
		"pubsub": one,
		"stream": func(t *testing.T) (*rig, []*redis.Client, string) {
			r, nodes, url := one(t)
			r.stream(1)
			return r, nodes, url
		},
		"cluster": func(t *testing.T) (r *rig, nodes []*redis.Client, url string) {
			c := redistest.StartCluster(t)
			r = newRigAt(t, influxtest.Shared(t).NewBucket(t), c.URL())
			r.client = c.Client()
			r.stream(2)
			for _, node := range c.Nodes {
				nodes = append(nodes, node.Client())
			}
			return r, nodes, c.URL()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, nodes, url := start(t)
			files := authority.Issue(t, t.TempDir())
			as := func(name string) []string {
				for _, node := range nodes {
					if err := node.Do(t.Context(), userLine(t, name)...).Err(); err != nil {
						t.Fatal(err)
					}
				}
				env := []string{"REDIS_URL=" + strings.Replace(url, "://", "://"+name+":PASSWORD@", 1)}
				if strings.HasPrefix(url, "rediss") {
					env = append(env, "REDIS_CA_FILE="+files.CA, "REDIS_CERT_FILE="+files.Cert,
						"REDIS_KEY_FILE="+files.Key)
				}
				return env
			}
			r.set("WORKER_WINDOW=1s", "WORKER_LATENESS=0s", "GENERATOR_COUNT=200", "GENERATOR_RATE=100")
			users := map[string][]string{"worker": as("worker"), "generator": as("generator")}
			w := r.worker(users["worker"]...)
			r.generate(users["generator"]...)
			if name == "pubsub" { // a dead letter
				r.publish("bad")
			} else {
				r.add("foo", "bar")
			}
			r.waitCount(200)
			r.eventually("a dead letter", func() bool { return len(r.letters()) == 1 })
			for name, env := range users {
				if p := r.start(name, append(env, "check")...); p.end() != 0 {
					t.Errorf("%s check:\n%s", name, p.tail())
				}
			}
			w.stop()
			for _, node := range nodes {
				if log := node.Do(t.Context(), "acl", "log").Val(); len(log.([]any)) > 0 {
					t.Errorf("Redis denied %v", log)
				}
			}
			for name := range users {
				opt := *nodes[0].Options()
				opt.Username, opt.Password = name, "PASSWORD"
				user := redis.NewClient(&opt)
				defer user.Close()
				for _, command := range []string{
					"flushall", "keys *", "config get *", "del colors", "get other", "client setname x",
					"publish other x",
				} {
					var args []any
					for arg := range strings.FieldsSeq(command) {
						args = append(args, arg)
					}
					err := user.Do(t.Context(), args...).Err()
					if err == nil || !strings.Contains(err.Error(), "NOPERM") {
						t.Errorf("%s may %s: %v", name, command, err)
					}
				}
			}
		})
	}
}
