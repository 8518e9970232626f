package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/influxdb/influxtest"
)

// What the tests of this file have in common: a stack that something happens to, its metrics written to a bucket as
// InfluxDB's scrapers write them, and the alerts' own queries asked of that bucket.

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
	w := &watch{rig: newRig(t, db, redisArgs...), metrics: influxtest.Shared(t).NewBucket(t), at: time.Now().Add(-time.Hour)}
	w.env["WORKER_WINDOW"] = "500ms"
	w.client = w.redis.Client()
	w.user()
	w.env["REDIS_URL"] = "redis://tester:" + redisPassword + "@" + w.redis.Addr()
	w.secrets = []string{redisPassword, w.db.WorkerToken, w.db.AdminToken, w.db.GrafanaToken, influxtest.Password}
	return w
}

// user makes the Redis user that the programs come as; Redis forgets it when it ends.
func (w *watch) user() {
	w.t.Helper()
	w.eventually("Redis has the user", 10*time.Second, func() bool {
		return w.client.Do(w.t.Context(), "acl", "setuser", "tester", "on", ">"+redisPassword, "~*", "&*", "+@all").Err() == nil
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
			if m == nil || kinds[m[1]] != "counter" && kinds[m[1]] != "gauge" || strings.HasPrefix(m[1], "go_") {
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
		found[strings.TrimPrefix(uid, "colorstream-")] = alert{query, time.Duration(seconds) * time.Second, than[1] == "lt", limit}
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

// An account is what became of all messages.
type account struct {
	published, unheard, unconfirmed, received, counted, rejected, known, forgotten, stored float64
}

// settle waits until everything that was published is where it will stay: the generator has ended or was stopped, and
// InfluxDB has all windows. It checks what must hold in any case.
func (w *watch) settle() account {
	w.t.Helper()
	stop := regexp.MustCompile(`msg=stop .*published=(\d+) unheard=(\d+) refused=\d+ unconfirmed=(\d+)`)
	match := stop.FindStringSubmatch(w.generator.output())
	if match == nil {
		w.generator.stop()
		match = stop.FindStringSubmatch(w.generator.output())
	}
	var a account
	for i, into := range []*float64{&a.published, &a.unheard, &a.unconfirmed} {
		*into, _ = strconv.ParseFloat(match[i+1], 64)
	}
	last := -1.0
	w.eventually("all windows are in InfluxDB", 30*time.Second, func() bool {
		m := w.worker.metrics()
		a.received, a.counted, a.rejected, a.known = m["received_total"], m["counted_total"], m["rejected_total"], m["known_total"]
		a.forgotten = m["forgotten_total"]
		a.stored = float64(count(w.points()))
		still := a.received == last
		last = a.received
		return still && a.stored == a.counted-a.forgotten && m["spool_records"] == 0
	})
	if a.received != a.counted+a.rejected+a.known {
		w.t.Errorf("received %v is not counted %v and rejected %v and known %v", a.received, a.counted, a.rejected, a.known)
	}
	w.t.Logf("account: %+v", a)
	return a
}

// lost is what the dashboard calls not accounted for.
func (a account) lost() float64 { return a.published - a.unheard - a.received + a.forgotten }

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

func TestFaultRedisKilled(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "200"})
	w.read(3)
	w.wantFiring("before")
	w.redis.Kill()
	w.eventually("the worker notices", 10*time.Second, func() bool { return strings.Contains(w.worker.readyz(), `"name":"redis","ok":false`) })
	w.read(2)
	w.wantFiring("without Redis", "not-subscribed")
	w.redis.Restart()
	w.user()
	w.worker.waitReady("redis")
	w.eventually("messages come again", 10*time.Second, func() bool { return !strings.Contains(w.generator.readyz(), `"ok":false`) })
	w.later(time.Minute)
	a := w.settle()
	// What Redis had acknowledged and not handed on when it was killed is lost; it is little.
	if lost := a.lost(); lost < -a.unconfirmed || lost > 100 {
		t.Errorf("%v are lost", lost)
	}
	w.wantFiring("afterwards")
	w.wantMetric("reconnects_total", exactly(1))
	w.wantSaid(1, "Redis is away")
	w.wantSaid(1, "Redis is back")
	w.wantSaid(1, "cannot publish")
	w.finish()
}

// Redis cuts off a subscriber that does not read.
func TestFaultSlowConsumer(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, "--client-output-buffer-limit", "pubsub 1mb 0 0")
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "500", "GENERATOR_NAMES": strings.Repeat("x", 20_000)})
	w.read(3)
	w.wantFiring("before")
	_ = w.worker.cmd.Process.Signal(syscall.SIGSTOP)
	w.eventually("Redis cuts the worker off", 30*time.Second, func() bool {
		return w.client.PubSubNumSub(t.Context(), "colors").Val()["colors"] == 0
	})
	_ = w.worker.cmd.Process.Signal(syscall.SIGCONT)
	w.eventually("the worker is back", 20*time.Second, func() bool { return w.worker.metrics()["reconnects_total"] == 1 })
	w.worker.waitReady("redis")
	w.read(3)
	w.wantFiring("after a cut", "unaccounted-loss")
	a := w.settle()
	if a.lost() < 20 {
		t.Errorf("%v are lost", a.lost())
	}
	if a.stored+a.unheard+a.lost() != a.published {
		t.Errorf("the account does not add up: %+v", a)
	}
	w.later(10 * time.Minute)
	w.wantFiring("ten minutes later")
	w.wantMetric("windows_incomplete_total", above(0))
	w.wantSaid(1, "Redis is away")
	w.finish()
}

func TestFaultInfluxDBStopped(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	w := newWatch(t, db)
	w.startWorker(map[string]string{"WORKER_WINDOW": "100ms"})
	w.startGenerator(map[string]string{"GENERATOR_RATE": "100"})
	w.read(3)
	db.Stop(t)
	w.eventually("windows wait", 10*time.Second, func() bool { return w.worker.metrics()["spool_records"] > 5 })
	w.later(time.Minute)
	w.wantFiring("without InfluxDB", "spool-growing")
	if state := w.worker.readyz(); !strings.Contains(state, `"name":"influxdb","ok":false`) || !strings.Contains(state, `"since":"`) {
		t.Errorf("/readyz: %s", state)
	}
	w.wantMetric(`write_errors_total{class="network"}`, above(0))
	db.Restart(t)
	w.worker.waitReady("influxdb")
	a := w.settle()
	w.later(2 * time.Minute)
	w.wantFiring("afterwards")
	if a.lost() != 0 {
		t.Errorf("%v are lost", a.lost())
	}
	w.wantMetric("delivery_seconds_count", above(0))
	w.wantMetric("points_dropped_total", exactly(0))
	w.wantSaid(1, "points are kept, not sent")
	w.wantSaid(1, "points are sent again")
	w.finish()
}

func TestFaultTokenRevoked(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	id, token := makeToken(t, w.db)
	w.secrets = append(w.secrets, token)
	w.env["INFLUX_TOKEN"], w.env["WORKER_WINDOW"] = token, "100ms"
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "100"})
	w.eventually("points are written", 10*time.Second, func() bool { return w.worker.metrics()["points_written_total"] > 0 })
	w.read(3)
	admin(t, w.db, http.MethodDelete, "/api/v2/authorizations/"+id, "", nil)
	w.eventually("the refusal is seen", 20*time.Second, func() bool { return w.worker.metrics()[`write_errors_total{class="denied"}`] > 0 })
	w.later(time.Minute)
	w.wantFiring("without the token", "spool-growing")
	w.wantSaid(1, "points are kept, not sent")
	// A new one, as the influxdb command makes.
	_, token = makeToken(t, w.db)
	w.secrets = append(w.secrets, token)
	w.env["INFLUX_TOKEN"] = token
	w.worker.stop()
	w.startWorker(nil)
	a := w.settle()
	w.later(2 * time.Minute)
	w.wantFiring("with a new token")
	// What came while there was no worker was heard by nobody; what Redis was sending to it as it stopped, is lost.
	if a.lost() < 0 || a.lost() > 20 {
		t.Errorf("%v are lost", a.lost())
	}
	w.finish()
}

func TestFaultPointsRefused(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "50"})
	w.read(2)
	// A field of another type at the same point makes InfluxDB refuse it for good.
	year := time.Now().Add(-365 * 24 * time.Hour).Truncate(time.Second)
	w.db.Write(t, fmt.Sprintf("color_metrics,color=odd mean=\"text\" %d", year.UnixNano()))
	publish(t, w.client, fmt.Sprintf(`{"color":"odd","value":1,"ts":%d}`, year.UnixMilli()))
	w.eventually("it is in quarantine", 20*time.Second, func() bool { return w.worker.metrics()["points_quarantined_total"] == 1 })
	w.read(2)
	w.wantFiring("after a refusal", "quarantine")
	w.later(10 * time.Minute)
	w.wantFiring("ten minutes later")
	w.wantMetric("points_written_total", above(0))
	w.wantSaid(1, "InfluxDB refuses points")
	w.generator.stop()
	w.finish()
}

func TestFaultDiskNearlyFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	w := newWatch(t, nil)
	w.env["WORKER_SPOOL_DIR"], w.env["WORKER_SPOOL_MAX_BYTES"] = dir, strconv.Itoa(16<<20)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "100"})
	w.read(2)
	w.wantFiring("with room")
	ballast := dir + "/ballast"
	if err := os.WriteFile(ballast, make([]byte, 20<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	w.read(2)
	w.wantFiring("with little room", "disk-full")
	// Nothing at all: windows wait in memory.
	f, err := os.OpenFile(ballast, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	_ = f.Close()
	w.eventually("the disk is full", 10*time.Second, func() bool { return strings.Contains(w.worker.readyz(), `"name":"spool","ok":false`) })
	w.eventually("windows wait in memory", 10*time.Second, func() bool { return w.worker.metrics()["unstored_bytes"] > 0 })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	w.worker.waitReady("spool")
	w.read(2)
	w.wantFiring("with room again")
	if a := w.settle(); a.lost() != 0 {
		t.Errorf("%v are lost", a.lost())
	}
	w.wantSaid(1, "closed windows wait in memory")
	w.finish()
}

func TestFaultMalformedFlood(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "100"})
	w.read(3)
	bad := []string{`{`, `{"color":"red"}`, `{"color":"red","value":"1"}`, `{"color":1,"value":1}`, ``, `[]`, "\xff"}
	const each = 2000
	for range each {
		publish(t, w.client, bad...)
	}
	w.eventually("all are rejected", 20*time.Second, func() bool { return w.worker.metrics()["rejected_total"] == float64(each*len(bad)) })
	w.read(3)
	w.wantFiring("in a flood")
	a := w.settle()
	if lost := a.lost() + each*float64(len(bad)); lost != 0 { // the flood is not the generator's
		t.Errorf("%v are lost", lost)
	}
	for _, reason := range []string{"not_json", "value_missing", "value_type", "color_type", "empty", "not_object", "invalid_utf8"} {
		w.wantMetric(`rejected_total{reason="`+reason+`"}`, above(each-1))
	}
	if n := w.client.XLen(t.Context(), "colors:rejected").Val(); n < 9_000 || n > 12_000 {
		t.Errorf("%d are kept aside", n)
	}
	w.finish() // which counts the lines of the log
}

func TestFaultClockAhead(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "50"})
	w.read(2)
	w.wantFiring("before")
	stamped := func(ahead time.Duration) {
		publish(t, w.client, fmt.Sprintf(`{"color":"odd","value":1,"ts":%d}`, time.Now().Add(ahead).UnixMilli()))
	}
	stamped(time.Hour)
	w.eventually("it is rejected", 10*time.Second, func() bool { return w.worker.metrics()[`rejected_total{reason="future"}`] == 1 })
	w.read(2)
	w.wantFiring("an hour ahead", "clock-skew")
	w.wantMetric("event_ahead_seconds", func(v float64) bool { return v > 3590 && v < 3601 })
	stamped(0)
	w.eventually("it is counted", 10*time.Second, func() bool { return w.worker.metrics()["event_ahead_seconds"] < 1 })
	w.later(3 * time.Minute)
	w.wantFiring("with a clock set right")
	a := w.settle()
	if a.rejected != 1 || a.lost() != -2 {
		t.Errorf("rejected %v, lost %v", a.rejected, a.lost())
	}
	w.finish()
}

// A worker that is stopped inside a window goes on in it, and in its account; one that is killed loses a second.
func TestFaultWorkerRestarted(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.env["WORKER_WINDOW"] = "5s"
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "400"})
	w.read(3)
	w.worker.stop()
	w.startWorker(nil)
	w.later(time.Minute)
	w.wantFiring("after a stop")
	w.wantMetric("windows_incomplete_total", func(v float64) bool { return v >= 0 })

	w.eventually("a good second has passed", 10*time.Second, func() bool { return w.worker.metrics()["counted_total"] > 1000 })
	w.read(3)
	before := w.worker.metrics()["received_total"]
	_ = w.worker.cmd.Process.Kill()
	_ = w.worker.wait(10 * time.Second)
	w.startWorker(nil)
	w.read(3)
	if after := w.worker.metrics()["received_total"]; after < before {
		t.Errorf("the account had %v before the worker was killed, and has %v after", before, after)
	}
	a := w.settle()
	if a.lost() < 0 || a.lost() > 1000 {
		t.Errorf("%v are lost", a.lost())
	}
	if a.stored+a.unheard+a.lost() != a.published {
		t.Errorf("the account does not add up: %+v", a)
	}
	if fires := slices.Contains(w.firing(), "unaccounted-loss"); fires != (a.lost() > 10+a.published/1000) {
		t.Errorf("%v are lost, alerts %q", a.lost(), w.firing())
	}
	w.later(10 * time.Minute)
	w.wantFiring("ten minutes later")
	w.finish()
}

// admin asks InfluxDB's API as the administrator.
func admin(t *testing.T, db *influxtest.Server, method, path, body string, answer func([]byte)) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, db.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+db.AdminToken)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var text strings.Builder
	if _, err := bufio.NewReader(response.Body).WriteTo(&text); err != nil || response.StatusCode/100 != 2 {
		t.Fatalf("%s %s: %s: %v %s", method, path, response.Status, err, text.String())
	}
	if answer != nil {
		answer([]byte(text.String()))
	}
}
