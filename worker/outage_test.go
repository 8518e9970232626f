package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"colorstream/generator/message"
	"colorstream/influxdb/influxtest"
)

// residentKiB is a process's memory.
func residentKiB(t *testing.T, pid int) int {
	t.Helper()
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestInfluxOutage takes InfluxDB away while a thousand colors are counted: memory does not grow
// with the backlog, everything is written afterwards, once, and /readyz says what is wrong
// meanwhile. OUTAGE=10m makes it as long.
func TestInfluxOutage(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	r := newRig(t, db)
	r.env["WORKER_WINDOW"] = "100ms"
	outage := 15 * time.Second
	if text := os.Getenv("OUTAGE"); text != "" {
		var err error
		if outage, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		r.env["WORKER_WINDOW"] = "1s" // or the 256 MiB of the store would be full after a few minutes
	}
	w := r.worker(nil)
	client := r.redis.Client()
	sent := int64(0)
	send := func(d time.Duration) {
		for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			payloads := make([]string, 250)
			for i := range payloads {
				color := fmt.Sprintf("color %d", (sent+int64(i))%1000)
				payloads[i] = string(message.Message{Color: color, Value: float64(i)}.AppendJSON(nil))
			}
			publish(t, client, payloads...)
			sent += int64(len(payloads))
		}
	}
	send(3 * time.Second)
	db.Stop(t)
	send(5 * time.Second)
	before := residentKiB(t, w.cmd.Process.Pid)
	send(outage)
	after := residentKiB(t, w.cmd.Process.Pid)
	if after > before+before/2 {
		t.Errorf("memory grew from %d to %d KiB in the outage", before, after)
	}
	state := w.readyz()
	if !strings.Contains(state, `"ready":false`) || !strings.Contains(state, "has waited for InfluxDB for") ||
		!strings.Contains(state, "connection refused") {
		t.Errorf("/readyz does not say what is wrong: %s", state)
	}
	m := w.metrics()
	if m["store_waiting"] < 100 || m["write_errors_total"] == 0 {
		t.Errorf("%v records wait, %v write errors", m["store_waiting"], m["write_errors_total"])
	}
	db.Restart(t)
	send(2 * time.Second)
	r.waitCount(sent)
	w.waitReady("influxdb")
	t.Logf("%d messages; memory %d KiB before, %d KiB after %v more of outage", sent, before, after,
		outage)
}

// TestDiskFull fills the disk under the store: the worker says so, goes on, is not ready, and
// writes everything when there is room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	// Mounting needs rights that a user's machine does not give; the store's own tests fail every
	// call instead.
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("a small disk cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	r := newRig(t, nil)
	r.env["WORKER_WINDOW"], r.env["WORKER_DATA_DIR"] = "500ms", dir
	w := r.worker(nil)
	client := r.redis.Client()
	publish(t, client, `{"color":"red","value":1}`)
	r.waitCount(1)
	ballast := dir + "/ballast"
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := f.Write(make([]byte, 4096)); err != nil {
			break
		}
	}
	_ = f.Close()
	sent := int64(1)
	for i := range 20 { // more than the file has free pages for
		payloads := make([]string, 500)
		for j := range payloads {
			payloads[j] = fmt.Sprintf(`{"color":"color %d","value":%d.25}`, j, i)
		}
		publish(t, client, payloads...)
		sent += int64(len(payloads))
		time.Sleep(100 * time.Millisecond)
	}
	state := w.readyz()
	if !strings.Contains(state, `"name":"store","ok":false`) || !strings.Contains(state, "no space left") {
		t.Errorf("/readyz does not say that the disk is full: %s", state)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	r.waitCount(sent)
	w.waitReady("store")
	if !strings.Contains(w.output(), "no space left") {
		t.Error("the log does not say that the disk was full")
	}
	w.stop()
}
