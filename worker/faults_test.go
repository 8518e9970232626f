package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/access"
	"colorstream/influxdb/influxtest"
)

// A stack is a rig with a worker and a generator that something happens to. What operators are told
// is checked: /readyz, the log, and those metrics that the alerts read, whose own tests are
// Grafana's.
type stack struct {
	*rig
	worker, generator *program
	secrets           []string
	workers           []*program // all that ever ran
}

const redisPassword = "a-word-that-no-log-may-hold"

// newStack starts nothing yet. db is as for newRig.
func newStack(t *testing.T, db *influxtest.Server, redisArgs ...string) *stack {
	t.Helper()
	user := []string{"--user", "tester", "on", ">" + redisPassword, "~*", "&*", "+@all"}
	s := &stack{rig: newRig(t, db, append(user, redisArgs...)...)}
	s.set("WORKER_WINDOW=500ms", "REDIS_URL=redis://tester:"+redisPassword+"@"+s.redis.Addr())
	s.secrets = []string{
		redisPassword, s.db.WorkerToken, s.db.AdminToken, s.db.GrafanaToken, influxtest.Password,
	}
	return s
}

func (s *stack) startWorker(env ...string) {
	s.t.Helper()
	s.worker = s.rig.worker(env...)
	s.workers = append(s.workers, s.worker)
}

// startGenerator starts one, and waits until some windows are written.
func (s *stack) startGenerator(env ...string) {
	s.t.Helper()
	s.generator = s.start("generator", env...)
	s.eventually("the generator publishes", func() bool {
		return strings.Contains(s.generator.readyz(), `"ok":true`)
	})
	s.soon("points_written_total", above(1))
}

// settle stops the generator, and waits until InfluxDB has all that was accepted. Of what was
// published, to somebody, so many messages may be lost.
func (s *stack) settle(least, most int64) {
	s.t.Helper()
	s.generator.stop()
	g := s.generator.said("stop")
	before := make(map[string]int64) // of workers that ended
	for _, w := range s.workers[:len(s.workers)-1] {
		for name, n := range w.said("stopped") {
			before[name] += n
		}
	}
	now := func(name string) int64 {
		return before[name] + int64(s.worker.metrics()[name+"_total"])
	}
	last := int64(-1)
	s.eventually("all windows are in InfluxDB", func() bool {
		received := now("received")
		still := received == last
		last = received
		return still && s.stored() == now("accepted")
	})
	if accepted, rejected := now("accepted"), now("rejected"); last != accepted+rejected {
		s.t.Errorf("received %d is not accepted %d and rejected %d", last, accepted, rejected)
	}
	lost := g["published"] - g["no_subscribers"] - last
	s.t.Logf("%v, %d received, %d lost", g, last, lost)
	if lost+g["unacknowledged"] < least || lost > most {
		s.t.Errorf("%d are lost, want %d to %d", lost, least, most)
	}
}

// soon waits for a number of the worker's.
func (s *stack) soon(name string, ok func(float64) bool) {
	s.t.Helper()
	s.eventually(name, func() bool {
		value, found := s.worker.metrics()[name]
		return found && ok(value)
	})
}

func above(limit float64) func(float64) bool { return func(v float64) bool { return v > limit } }
func below(limit float64) func(float64) bool { return func(v float64) bool { return v < limit } }
func exactly(n float64) func(float64) bool   { return func(v float64) bool { return v == n } }

// ready waits until /readyz says something.
func (s *stack) ready(words ...string) {
	s.t.Helper()
	for _, want := range words {
		s.eventually("/readyz says "+want, func() bool {
			return strings.Contains(s.worker.readyz(), want)
		})
	}
}

// finish stops the worker, wants each of the texts once in what was printed, no secret, and no more
// than a few lines.
func (s *stack) finish(texts ...string) {
	s.t.Helper()
	s.worker.stop()
	var all strings.Builder
	for _, p := range append(s.workers, s.generator) {
		text := p.output()
		all.WriteString(text)
		// A machine that is too busy for a window has a line of its own.
		if lines := strings.Count(text, "\n") - strings.Count(text, "a window's border"); lines > 40 {
			s.t.Errorf("the log has %d lines:\n%s", lines, p.tail())
		}
	}
	for _, text := range texts {
		if n := strings.Count(all.String(), text); n != 1 {
			s.t.Errorf("%q was said %d times:\n%s", text, n, s.worker.tail())
		}
	}
	for _, secret := range s.secrets {
		if strings.Contains(all.String(), secret) {
			s.t.Errorf("a secret is in the log: %q", secret)
		}
	}
}

func TestFaultRedisKilled(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=200")
	s.redis.Kill()
	s.ready(`"name":"redis","ok":false`)
	s.soon(`colorstream_ready{condition="redis",program="worker"}`, exactly(0))
	s.redis.Restart()
	s.worker.waitReady("redis")
	s.soon(`colorstream_ready{condition="redis",program="worker"}`, exactly(1))
	s.eventually("messages come again",
		func() bool { return !strings.Contains(s.generator.readyz(), `"ok":false`) })
	// What Redis had acknowledged and not handed on when it was killed is lost; it is little.
	s.settle(0, 100)
	s.soon("reconnects_total", exactly(1))
	s.finish("not connected to Redis", "connected to Redis again", "cannot publish")
}

// Redis cuts off a subscriber that does not read.
func TestFaultSlowConsumer(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil, "--client-output-buffer-limit", "pubsub 32mb 0 0")
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=500", "GENERATOR_NAMES="+strings.Repeat("x", 20_000))
	_ = s.worker.cmd.Process.Signal(syscall.SIGSTOP)
	s.eventually("Redis cuts the worker off", func() bool {
		return s.client.PubSubNumSub(t.Context(), "colors").Val()["colors"] == 0
	})
	_ = s.worker.cmd.Process.Signal(syscall.SIGCONT)
	s.soon("reconnects_total", exactly(1))
	s.soon("windows_incomplete_total", above(0))
	s.worker.waitReady("redis")
	s.settle(20, 1e9) // which the alert on the difference sees
	s.finish("not connected to Redis")
}

// InfluxDB is away while many points come: memory does not grow with what waits, everything is
// written afterwards, and all say what is wrong meanwhile.
func TestFaultInfluxDBStopped(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	s := newStack(t, db)
	s.startWorker("WORKER_WINDOW=100ms")
	colors := strings.ReplaceAll(manyColors(200), "c", strings.Repeat("colour", 15))
	s.startGenerator("GENERATOR_RATE=4000", "GENERATOR_COLORS="+colors)
	db.Stop(t)
	s.soon("store_oldest_seconds", above(3))
	before := s.worker.metrics()
	s.soon("store_oldest_seconds", above(12))
	after := s.worker.metrics()
	grown := func(name string) float64 { return after[name] - before[name] }
	// The collector runs when the heap is five times what is in use.
	inUse, waits := grown("go_memstats_next_gc_bytes")/5, grown("store_bytes")
	if t.Logf("%.0f bytes more wait, %.0f more are in use", waits, inUse); inUse > waits/2 {
		t.Error("memory grows with what waits")
	}
	s.ready(`"name":"influxdb","ok":false`, `"since":"`, "has waited for InfluxDB for",
		"connection refused")
	s.soon(`write_errors_total{class="network"}`, above(0))
	db.Restart(t)
	s.worker.waitReady("influxdb")
	s.settle(0, 0)
	s.soon("delivery_seconds_count", above(0))
	s.soon("store_dropped_total", exactly(0))
	s.finish("points are kept, not sent", "points are sent again")
}

func TestFaultTokenRevoked(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	newToken := func() (id string) {
		id, token := makeToken(t, s.db)
		s.secrets = append(s.secrets, token)
		s.set("INFLUX_TOKEN=" + token)
		return id
	}
	id := newToken()
	s.set("WORKER_WINDOW=100ms")
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=100")
	admin(t, s.db, http.MethodDelete, "/api/v2/authorizations/"+id, "", nil)
	s.soon(`write_errors_total{class="denied"}`, above(1))
	s.soon("store_oldest_seconds", above(3))
	s.ready(`"name":"influxdb","ok":false`, "INFLUX_TOKEN_FILE must hold a token of the InfluxDB")
	newToken() // as the influxdb command makes
	s.worker.stop()
	s.startWorker()
	s.worker.waitReady("influxdb")
	// What came while there was no worker had no subscriber; what Redis was sending to it as it
	// stopped is lost.
	s.settle(0, 20)
	s.finish("points are kept, not sent")
}

func TestFaultPointsRejected(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=50")
	// A field of another type at the same point makes InfluxDB reject it for good.
	year := time.Now().Add(-365 * 24 * time.Hour).Truncate(time.Second)
	s.db.Write(t, fmt.Sprintf("color_metrics,color=odd mean=\"text\" %d", year.UnixNano()))
	// Types hold for a week's points, so the good line, of the same batch, is of another time.
	s.publish(fmt.Sprintf(`{"color":"even","value":1,"ts":%d}{"color":"odd","value":1,"ts":%d}`,
		year.Add(-30*24*time.Hour).UnixMilli(), year.UnixMilli()))
	s.soon("points_rejected_total", exactly(1))
	s.eventually("it is a dead letter", func() bool { return len(s.letters()) > 0 })
	good := s.db.Query(t, `from(bucket: "`+s.db.Bucket+`") |> range(start: 0)
		|> filter(fn: (r) => r.color == "even" and r._field == "count")`)
	letters := s.letters()
	if len(good) != 1 || len(letters) != 1 || letters[0].Values["reason"] != "influxdb" ||
		!strings.Contains(fmt.Sprint(letters[0].Values["payload"]), "field type conflict") {
		t.Errorf("beside it %v, dead letters %v", good, letters)
	}
	s.generator.stop()
	s.finish("InfluxDB rejects points")
}

// A disk fills up: a metric says so before it is full, the worker says so when it is, goes on, and
// writes everything when there is room again.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	s := newStack(t, nil)
	const most = 16 << 20
	s.set("WORKER_DATA_DIR="+dir, "WORKER_MAX_BYTES="+strconv.Itoa(most))
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=100")
	s.soon("store_max_bytes", exactly(most))
	s.soon("store_disk_free_bytes", above(2*most)) // or there is an alert
	ballast := dir + "/ballast"
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 20<<20)); err != nil {
		t.Fatal(err)
	}
	s.soon("store_disk_free_bytes", below(2*most))
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	sent := int64(0)
	for i := range 20 { // more than the file has free pages for
		var payloads []string
		for j := range 500 {
			payloads = append(payloads, fmt.Sprintf(`{"color":"color %d","value":%d.25}`, j, i))
		}
		s.publish(payloads...)
		sent += int64(len(payloads))
		time.Sleep(100 * time.Millisecond)
	}
	s.ready(`"name":"store","ok":false`, "no space left")
	if err := errors.Join(f.Close(), os.Remove(ballast)); err != nil {
		t.Fatal(err)
	}
	s.worker.waitReady("store")
	s.settle(-sent, -sent) // those of the test are not the generator's
	s.finish("windows cannot be stored")
}

func TestFaultMalformedFlood(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=100")
	bad := map[string]string{
		"not_json": `{`, "value_missing": `{"color":"red"}`, "value_type": `{"color":"red","value":"1"}`,
		"color_type": `{"color":1,"value":1}`, "empty": ``, "not_object": `[]`, "invalid_utf8": "\xff",
	}
	const each = 2000
	for range each {
		s.publish(slices.Collect(maps.Values(bad))...)
	}
	for reason := range bad {
		s.soon(`rejected_total{reason="`+reason+`"}`, exactly(each))
	}
	flood := each * int64(len(bad)) // which is not the generator's
	s.settle(-flood, -flood)
	s.eventually("the newest dead letters are kept", func() bool { return len(s.letters()) >= 9_000 })
	if n := len(s.letters()); n > 12_000 {
		t.Errorf("%d dead letters", n)
	}
	s.finish()
}

func TestFaultClockAhead(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.startWorker()
	s.startGenerator("GENERATOR_RATE=50")
	stamped := func(ahead time.Duration) {
		at := time.Now().Add(ahead).UnixMilli()
		s.publish(fmt.Sprintf(`{"color":"odd","value":1,"ts":%d}`, at))
	}
	stamped(time.Hour)
	s.soon(`rejected_total{reason="future"}`, exactly(1))
	s.soon("event_ahead_seconds", func(v float64) bool { return v > 3500 && v < 3601 })
	stamped(0)
	s.soon("event_ahead_seconds", below(1))
	s.settle(-2, -2)
	s.soon("rejected_total", exactly(1))
	s.finish()
}

// A bucket is InfluxDB's description of one.
type bucket struct{ ID, OrgID string }

func describe(t *testing.T, db *influxtest.Server) bucket {
	t.Helper()
	var found struct{ Buckets []bucket }
	admin(t, db, http.MethodGet, "/api/v2/buckets?name="+db.Bucket, "", &found)
	if len(found.Buckets) != 1 {
		t.Fatal(found)
	}
	return found.Buckets[0]
}

// makeToken makes one that may write the bucket.
func makeToken(t *testing.T, db *influxtest.Server) (id, token string) {
	t.Helper()
	b := describe(t, db)
	var made struct{ ID, Token string }
	admin(t, db, http.MethodPost, "/api/v2/authorizations", fmt.Sprintf(`{"orgID":%q,"permissions":[
		{"action":"write","resource":{"type":"buckets","id":%q,"orgID":%[1]q}}]}`, b.OrgID, b.ID), &made)
	return made.ID, made.Token
}

// admin asks InfluxDB's API as the administrator. The answer may be nil.
func admin(t testing.TB, db *influxtest.Server, method, path, body string, answer any) {
	t.Helper()
	text, err := access.Client{URL: db.URL, Token: db.AdminToken}.Call(
		t.Context(), method, path, "application/json", []byte(body))
	if err == nil && answer != nil {
		err = json.Unmarshal(text, answer)
	}
	if err != nil {
		t.Fatal(err)
	}
}
