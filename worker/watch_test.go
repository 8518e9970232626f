package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/influxdb/influxtest"
)

// What the tests of this file have in common: a stack that something happens to, its metrics
// written to a bucket as InfluxDB's scrapers write them, and the alerts' own queries asked of that
// bucket.

// A watch is a rig with a generator, a worker, and somebody who reads their metrics.
type watch struct {
	*rig
	worker, generator *program
	metrics           *influxtest.Server // with the bucket for them
	client            *redis.Client
	at                time.Time // of the newest reading
	secrets           []string
	programs          []*program
}

const redisPassword = "a-word-that-no-log-may-hold"

// newWatch starts nothing yet. db is as for newRig.
func newWatch(t *testing.T, db *influxtest.Server, redisArgs ...string) *watch {
	t.Helper()
	w := &watch{
		rig: newRig(t, db, redisArgs...), metrics: influxtest.Shared(t).NewBucket(t),
		at: time.Now().Add(-time.Hour),
	}
	w.env["WORKER_WINDOW"] = "500ms"
	w.client = w.redis.Client()
	w.user()
	w.env["REDIS_URL"] = "redis://tester:" + redisPassword + "@" + w.redis.Addr()
	w.secrets = []string{
		redisPassword, w.db.WorkerToken, w.db.AdminToken, w.db.GrafanaToken,
		influxtest.Password,
	}
	return w
}

// user makes the Redis user that the programs come as; Redis forgets it when it ends.
func (w *watch) user() {
	w.t.Helper()
	w.eventually("Redis has the user", 10*time.Second, func() bool {
		return w.client.Do(w.t.Context(), "acl", "setuser", "tester", "on", ">"+redisPassword, "~*", "&*",
			"+@all").Err() == nil
	})
}

func (w *watch) startWorker(env map[string]string) {
	w.t.Helper()
	w.worker = w.rig.worker(env)
	w.programs = append(w.programs, w.worker)
}

// startGenerator starts one that publishes until it is stopped or has published count.
func (w *watch) startGenerator(env map[string]string) {
	w.t.Helper()
	addr := freeAddr(w.t)
	env["GENERATOR_ADDR"] = addr
	w.generator = w.start("generator", env)
	w.generator.addr = addr
	w.programs = append(w.programs, w.generator)
	w.eventually("the generator publishes", 10*time.Second, func() bool {
		return strings.Contains(w.generator.readyz(), `"ok":true`)
	})
}

// sample is a line of /metrics that is no part of a histogram.
var sample = regexp.MustCompile(`^(\w+)(?:\{(.*)\})? (\S+)$`)

// read reads the programs' metrics once, as ten seconds after the last time.
func (w *watch) read(times int) {
	w.t.Helper()
	for range times {
		w.at = w.at.Add(10 * time.Second)
		texts := make([]string, 2)
		var both sync.WaitGroup // as near to one instant as InfluxDB does it
		for i, p := range []*program{w.worker, w.generator} {
			both.Go(func() {
				if response, err := http.Get("http://" + p.addr + "/metrics"); err == nil { // else it is away
					text, _ := io.ReadAll(response.Body)
					response.Body.Close()
					texts[i] = string(text)
				}
			})
		}
		both.Wait()
		var lines strings.Builder
		kinds := map[string]string{}
		for line := range strings.Lines(texts[0] + texts[1]) {
			line = strings.TrimSpace(line)
			if f := strings.Fields(line); len(f) == 4 && f[1] == "TYPE" {
				kinds[f[2]] = f[3]
			}
			m := sample.FindStringSubmatch(line)
			if m == nil || kinds[m[1]] != "counter" && kinds[m[1]] != "gauge" ||
				strings.HasPrefix(m[1], "go_") {
				continue
			}
			tags := ""
			if m[2] != "" {
				tags = "," + strings.ReplaceAll(m[2], `"`, "")
			}
			fmt.Fprintf(&lines, "%s%s %s=%s %d\n", m[1], tags, kinds[m[1]], m[3], w.at.UnixNano())
		}
		if lines.Len() > 0 {
			w.metrics.Write(w.t, lines.String())
		}
		time.Sleep(50 * time.Millisecond) // what a gauge shows changes
	}
}

// alerts are the rules' queries and thresholds as they stand in the file.
func alerts(t testing.TB) map[string]alert {
	t.Helper()
	text, err := os.ReadFile("../grafana/provisioning/alerting/pipeline.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]alert{}
	for _, rule := range strings.Split(string(text), "      - uid: ")[1:] {
		uid, _, _ := strings.Cut(rule, "\n")
		_, query, _ := strings.Cut(rule, "query: |\n")
		query, _, _ = strings.Cut(query, "          - refId:")
		back := regexp.MustCompile(`from: (\d+)`).FindStringSubmatch(rule)
		than := regexp.MustCompile(`type: (gt|lt), params: \[(\d+)\]`).FindStringSubmatch(rule)
		if query == "" || back == nil || than == nil {
			t.Fatalf("the rule %s is not understood", uid)
		}
		seconds, _ := strconv.Atoi(back[1])
		limit, _ := strconv.ParseFloat(than[2], 64)
		found[strings.TrimPrefix(uid, "colorstream-")] = alert{
			query,
			time.Duration(seconds) * time.Second, than[1] == "lt", limit,
		}
	}
	return found
}

type alert struct {
	query string
	back  time.Duration
	below bool
	limit float64
}

// firing asks all alerts' queries and lists those that are true.
func (w *watch) firing() []string {
	w.t.Helper()
	var list []string
	for uid, a := range alerts(w.t) {
		stop := w.at.Add(time.Second)
		flux := strings.NewReplacer(
			"v.timeRangeStart", stop.Add(-a.back).UTC().Format(time.RFC3339Nano), "v.timeRangeStop", stop.UTC().Format(time.RFC3339Nano),
			"v.defaultBucket", `"`+w.metrics.Bucket+`"`,
		).Replace(a.query)
		for _, row := range w.metrics.Query(w.t, flux) {
			value := row["_value"].(float64)
			if a.below && value < a.limit || !a.below && value > a.limit {
				list = append(list, uid)
			}
		}
	}
	slices.Sort(list)
	return list
}

func (w *watch) wantFiring(when string, want ...string) {
	w.t.Helper()
	if got := w.firing(); !slices.Equal(got, want) {
		w.t.Errorf("%s: alerts %q, want %q", when, got, want)
	}
}

// later lets so much time pass, in the metrics' time.
func (w *watch) later(d time.Duration) {
	w.at = w.at.Add(d)
	w.read(13)
}

// A balance is what became of all messages.
type balance struct {
	published, noSubscribers, unacknowledged, received, accepted, rejected, stored float64
}

// settle waits until everything that was published is where it will stay: the generator has ended
// or was stopped, and InfluxDB has all windows. It checks what must hold in any case.
func (w *watch) settle() balance {
	w.t.Helper()
	stop := regexp.MustCompile(`msg=stop .*published=(\d+) no_subscribers=(\d+) rejected=\d+ unacknowledged=(\d+)`)
	match := stop.FindStringSubmatch(w.generator.output())
	if match == nil {
		w.generator.stop()
		match = stop.FindStringSubmatch(w.generator.output())
	}
	var a balance
	for i, into := range []*float64{&a.published, &a.noSubscribers, &a.unacknowledged} {
		*into, _ = strconv.ParseFloat(match[i+1], 64)
	}
	// Counters begin at zero with each worker; those that were stopped said their last.
	var before balance
	stopped := regexp.MustCompile(`msg=stopped .*?received=(\d+) accepted=(\d+) rejected=(\d+)`)
	for _, p := range w.programs {
		if m := stopped.FindStringSubmatch(p.output()); m != nil {
			for i, into := range []*float64{&before.received, &before.accepted, &before.rejected} {
				n, _ := strconv.ParseFloat(m[i+1], 64)
				*into += n
			}
		}
	}
	last := -1.0
	w.eventually("all windows are in InfluxDB", 30*time.Second, func() bool {
		m := w.worker.metrics()
		a.received = before.received + m["received_total"]
		a.accepted = before.accepted + m["accepted_total"]
		a.rejected = before.rejected + m["rejected_total"]
		a.stored = float64(count(w.points()))
		still := a.received == last
		last = a.received
		return still && a.stored == a.accepted && m["store_waiting"] == 0
	})
	if a.received != a.accepted+a.rejected {
		w.t.Errorf("received %v is not accepted %v and rejected %v", a.received, a.accepted, a.rejected)
	}
	w.t.Logf("tally: %+v", a)
	return a
}

// lost is what the dashboard calls not accounted for.
func (a balance) lost() float64 { return a.published - a.noSubscribers - a.received }

// wantSoon waits for a number of the worker's.
func (w *watch) wantSoon(name string, ok func(float64) bool) {
	w.t.Helper()
	w.eventually(name, time.Minute, func() bool { return ok(w.worker.metrics()[name]) })
}

// wantMetric checks a number of the worker's.
func (w *watch) wantMetric(name string, ok func(float64) bool) {
	w.t.Helper()
	if value, found := w.worker.metrics()[name]; !found || !ok(value) {
		w.t.Errorf("%s is %v", name, value)
	}
}

func above(limit float64) func(float64) bool { return func(v float64) bool { return v > limit } }
func exactly(n float64) func(float64) bool   { return func(v float64) bool { return v == n } }

// wantSaid checks that the worker said something so many times.
func (w *watch) wantSaid(times int, text string) {
	w.t.Helper()
	var all strings.Builder
	for _, p := range w.programs {
		all.WriteString(p.output())
	}
	if n := strings.Count(all.String(), text); n != times {
		w.t.Errorf("%q was said %d times, want %d:\n%s", text, n, times, w.worker.tail())
	}
}

// finish stops everything and looks for secrets in what was printed.
func (w *watch) finish() {
	w.t.Helper()
	w.worker.stop()
	for _, p := range w.programs {
		text := p.output()
		for _, secret := range w.secrets {
			if strings.Contains(text, secret) {
				w.t.Errorf("a secret is in the log: %q", secret)
			}
		}
		if lines := strings.Count(text, "\n"); lines > 40 {
			w.t.Errorf("the log has %d lines:\n%s", lines, p.tail())
		}
	}
}
