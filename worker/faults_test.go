package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
)

func TestFaultRedisKilled(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "200"})
	w.read(3)
	w.wantFiring("before")
	w.redis.Kill()
	w.eventually("the worker notices", 10*time.Second, func() bool { return strings.Contains(w.worker.readyz(), `"name":"redis","ok":false`) })
	w.read(8)
	w.wantFiring("without Redis", "not-connected")
	w.redis.Restart()
	w.user()
	w.worker.waitReady("redis")
	w.eventually("messages come again", 10*time.Second, func() bool { return !strings.Contains(w.generator.readyz(), `"ok":false`) })
	w.later(time.Minute)
	w.wantFiring("afterwards")
	a := w.settle()
	// What Redis had acknowledged and not handed on when it was killed is lost; it is little.
	if lost := a.lost(); lost < -a.unacknowledged || lost > 100 {
		t.Errorf("%v are lost", lost)
	}
	w.wantMetric("reconnects_total", exactly(1))
	w.wantSaid(1, "not connected to Redis")
	w.wantSaid(1, "connected to Redis again")
	w.wantSaid(1, "cannot publish")
	w.finish()
}

// Redis cuts off a subscriber that does not read.
func TestFaultSlowConsumer(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil, "--client-output-buffer-limit", "pubsub 1mb 0 0")
	w.startWorker(nil)
	w.startGenerator(map[string]string{
		"GENERATOR_RATE":  "500",
		"GENERATOR_NAMES": strings.Repeat("x", 20_000),
	})
	w.read(3)
	w.wantFiring("before")
	_ = w.worker.cmd.Process.Signal(syscall.SIGSTOP)
	w.eventually("Redis cuts the worker off", 30*time.Second, func() bool {
		return w.client.PubSubNumSub(t.Context(), "colors").Val()["colors"] == 0
	})
	_ = w.worker.cmd.Process.Signal(syscall.SIGCONT)
	w.wantSoon("reconnects_total", exactly(1))
	w.worker.waitReady("redis")
	w.read(3)
	w.wantFiring("after a cut", "unaccounted-loss")
	a := w.settle()
	if a.lost() < 20 {
		t.Errorf("%v are lost", a.lost())
	}
	if a.stored+a.noSubscribers+a.lost() != a.published {
		t.Errorf("the balance does not add up: %+v", a)
	}
	w.later(10 * time.Minute)
	w.wantFiring("ten minutes later", "not-collected") // the generator has ended
	w.wantMetric("windows_incomplete_total", above(0))
	w.wantSaid(1, "not connected to Redis")
	w.finish()
}

// residentKiB is the program's memory.
func (p *program) residentKiB() int {
	p.rig.t.Helper()
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(p.cmd.Process.Pid)).Output()
	n, _ := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || n == 0 {
		p.rig.t.Fatalf("ps says %q: %v", out, err)
	}
	return n
}

// InfluxDB is away while many points come: memory does not grow with what waits, everything is
// written afterwards, and all say what is wrong meanwhile.
func TestFaultInfluxDBStopped(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	w := newWatch(t, db)
	w.startWorker(map[string]string{"WORKER_WINDOW": "100ms"})
	w.startGenerator(map[string]string{
		"GENERATOR_RATE": "10000", "GENERATOR_COLORS": manyColors(500),
	})
	w.read(3)
	db.Stop(t)
	w.wantSoon("store_oldest_seconds", above(8))
	before := w.worker.residentKiB()
	w.wantSoon("store_oldest_seconds", above(31))
	if after := w.worker.residentKiB(); after > before+before/2 {
		t.Errorf("memory grows with what waits, from %d to %d KiB", before, after)
	}
	w.read(13)
	w.wantFiring("without InfluxDB", "points-waiting")
	state := w.worker.readyz()
	for _, want := range []string{
		`"name":"influxdb","ok":false`, `"since":"`, "has waited for InfluxDB for", "connection refused",
	} {
		if !strings.Contains(state, want) {
			t.Errorf("/readyz does not say %s: %s", want, state)
		}
	}
	w.wantMetric(`write_errors_total{class="network"}`, above(0))
	db.Restart(t)
	w.worker.waitReady("influxdb")
	w.later(2 * time.Minute)
	w.wantFiring("afterwards")
	a := w.settle()
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
	w.wantSoon("points_written_total", above(0))
	w.read(3)
	admin(t, w.db, http.MethodDelete, "/api/v2/authorizations/"+id, "", nil)
	w.wantSoon(`write_errors_total{class="denied"}`, above(0))
	w.wantSoon("store_oldest_seconds", above(31))
	w.read(13)
	w.wantFiring("without the token", "points-waiting")
	w.wantSaid(1, "points are kept, not sent")
	w.wantSaid(1, "INFLUX_TOKEN_FILE must hold a token of the InfluxDB")
	// A new one, as the influxdb command makes.
	_, token = makeToken(t, w.db)
	w.secrets = append(w.secrets, token)
	w.env["INFLUX_TOKEN"] = token
	w.worker.stop()
	w.startWorker(nil)
	w.worker.waitReady("influxdb")
	w.later(2 * time.Minute)
	w.wantFiring("with a new token")
	a := w.settle()
	// What came while there was no worker had no subscriber; what Redis was sending to it as it
	// stopped, is lost.
	if a.lost() < 0 || a.lost() > 20 {
		t.Errorf("%v are lost", a.lost())
	}
	w.finish()
}

func TestFaultPointsRejected(t *testing.T) {
	t.Parallel()
	w := newWatch(t, nil)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "50"})
	w.read(2)
	// A field of another type at the same point makes InfluxDB reject it for good.
	year := time.Now().Add(-365 * 24 * time.Hour).Truncate(time.Second)
	w.db.Write(t, fmt.Sprintf("color_metrics,color=odd mean=\"text\" %d", year.UnixNano()))
	// Types hold for a week's points, so the good line, of the same batch, is of another time.
	publish(t, w.client, fmt.Sprintf(`{"color":"even","value":1,"ts":%d}{"color":"odd","value":1,"ts":%d}`,
		year.Add(-30*24*time.Hour).UnixMilli(), year.UnixMilli()))
	w.wantSoon("points_rejected_total", exactly(1))
	w.read(2)
	w.wantFiring("after it was rejected", "points-rejected")
	w.later(10 * time.Minute)
	w.wantFiring("ten minutes later")
	w.wantMetric("points_written_total", above(0))
	w.wantSaid(1, "InfluxDB rejects points")
	good := w.db.Query(t, `from(bucket: "`+w.db.Bucket+`") |> range(start: 0)
		|> filter(fn: (r) => r.color == "even" and r._field == "count")`)
	letters := w.client.XRange(t.Context(), "colors:rejected", "-", "+").Val()
	if len(good) != 1 || len(letters) != 1 || letters[0].Values["reason"] != "influxdb" ||
		!strings.Contains(fmt.Sprint(letters[0].Values["payload"]), "field type conflict") {
		t.Errorf("beside it %v, dead letters %v", good, letters)
	}
	w.generator.stop()
	w.finish()
}

// A disk fills up: an alert says so before it is full, the worker says so when it is, goes on, and
// writes everything when there is room again.
func TestFaultDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	w := newWatch(t, nil)
	w.env["WORKER_DATA_DIR"], w.env["WORKER_MAX_BYTES"] = dir, strconv.Itoa(16<<20)
	w.startWorker(nil)
	w.startGenerator(map[string]string{"GENERATOR_RATE": "100"})
	w.read(2)
	w.wantFiring("with room")
	ballast := dir + "/ballast"
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(make([]byte, 20<<20)); err != nil {
		t.Fatal(err)
	}
	w.read(2)
	w.wantFiring("with little room", "disk-full")
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	sent := 0.0
	for i := range 20 { // more than the file has free pages for
		var payloads []string
		for j := range 500 {
			payloads = append(payloads, fmt.Sprintf(`{"color":"color %d","value":%d.25}`, j, i))
		}
		publish(t, w.client, payloads...)
		sent += float64(len(payloads))
		time.Sleep(100 * time.Millisecond)
	}
	if state := w.worker.readyz(); !strings.Contains(state, `"name":"store","ok":false`) ||
		!strings.Contains(state, "no space left") {
		t.Errorf("/readyz does not say that the disk is full: %s", state)
	}
	if err := errors.Join(f.Close(), os.Remove(ballast)); err != nil {
		t.Fatal(err)
	}
	w.worker.waitReady("store")
	w.read(2)
	w.wantFiring("with room again")
	if a := w.settle(); a.lost() != -sent { // those of the test are not the generator's
		t.Errorf("%v are lost", a.lost()+sent)
	}
	w.wantSaid(1, "windows cannot be stored")
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
	w.wantSoon("rejected_total", exactly(float64(each*len(bad))))
	w.read(3)
	w.wantFiring("in a flood")
	a := w.settle()
	if lost := a.lost() + each*float64(len(bad)); lost != 0 { // the flood is not the generator's
		t.Errorf("%v are lost", lost)
	}
	for _, reason := range []string{
		"not_json", "value_missing", "value_type", "color_type", "empty",
		"not_object", "invalid_utf8",
	} {
		w.wantMetric(`rejected_total{reason="`+reason+`"}`, above(each-1))
	}
	if n := w.client.XLen(t.Context(), "colors:rejected").Val(); n < 9_000 || n > 12_000 {
		t.Errorf("%d dead letters", n)
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
	w.wantSoon(`rejected_total{reason="future"}`, exactly(1))
	w.read(2)
	w.wantFiring("an hour ahead", "clock-skew")
	w.wantMetric("event_ahead_seconds", func(v float64) bool { return v > 3590 && v < 3601 })
	stamped(0)
	w.wantSoon("event_ahead_seconds", func(v float64) bool { return v < 1 })
	w.later(3 * time.Minute)
	w.wantFiring("with a clock set right")
	a := w.settle()
	if a.rejected != 1 || a.lost() != -2 {
		t.Errorf("rejected %v, lost %v", a.rejected, a.lost())
	}
	w.finish()
}

// A worker that is stopped, or killed, and started again raises no alert: the balance leaves out
// the readings between which a program began anew.
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

	_ = w.worker.cmd.Process.Kill()
	_ = w.worker.wait(10 * time.Second)
	w.startWorker(nil)
	w.later(time.Minute)
	w.wantFiring("after a kill")
	w.eventually("a window is stored", 20*time.Second, func() bool { return count(w.points()) > 0 })
	w.generator.stop()
	w.finish()
	published := regexp.MustCompile(`msg=stop .*published=(\d+)`).FindStringSubmatch(w.generator.output())
	n, _ := strconv.ParseInt(published[1], 10, 64)
	if stored := count(w.points()); stored == 0 || stored > n {
		t.Errorf("%d messages are in points, %d were published", stored, n)
	}
}
