package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/generator/service"
	"colorstream/influxdb/influxtest"
	"colorstream/worker/influx"
	"colorstream/worker/spool"
)

// spoolProgram runs `worker spool …` with a folder.
func spoolProgram(t *testing.T, environ map[string]string, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = run(t.Context(), service.Process{
		Args: append([]string{"spool"}, args...), Environ: environ, Stdout: &out, Stderr: t.Output(), Stdin: strings.NewReader(""),
	})
	return out.String(), err
}

// spoolWith opens a spool with records, three of which are done.
func spoolWith(t *testing.T, dir string, records ...string) *spool.Spool {
	t.Helper()
	s, err := spool.Open(slog.New(slog.DiscardHandler), spool.OS{}, spool.Config{
		Dir: dir, SegmentBytes: 300, Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	for _, r := range records {
		if err := s.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		rec, ok, err := s.TryNext()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if n == 2 {
			s.Done(rec.ID)
		}
	}
	return s
}

func TestSpoolCommands(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	environ := map[string]string{"WORKER_SPOOL_DIR": dir}
	for _, args := range [][]string{{"ls"}, {"verify"}, {"export"}} {
		if _, err := spoolProgram(t, environ, args...); err == nil || !strings.Contains(err.Error(), "WORKER_SPOOL_DIR") {
			t.Errorf("spool %s without a folder: %v", args, err)
		}
	}
	var records []string
	for i := range 9 {
		records = append(records, fmt.Sprintf("m,color=red f=%d %d\nm,color=blue f=%d %d\n", i, i, i, i))
	}
	records = append(records, "m f=1 1") // without a line break
	spoolWith(t, dir, records...)        // and stays open, as a worker's

	out, err := spoolProgram(t, environ, "export")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Join(records[3:], "")+"\n", out); diff != "" {
		t.Errorf("export (-want +got):\n%s", diff)
	}
	out, err = spoolProgram(t, environ, "ls")
	if err != nil || !strings.Contains(out, "7 records with 13 lines") || !strings.Contains(out, "2026-01-02T03:04:05Z") ||
		!strings.Contains(out, "being written") || strings.Contains(out, "refused") {
		t.Errorf("ls: %v\n%s", err, out)
	}
	t.Log("\n" + out)
	out, err = spoolProgram(t, environ, "verify")
	if err != nil || !strings.Contains(out, " 0 damaged places") {
		t.Errorf("verify: %v\n%s", err, out)
	}

	// A wrong byte in the segment that is being written.
	segments, err := filepath.Glob(filepath.Join(dir, "*.open"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	content, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)-2] ^= 1
	if err := os.WriteFile(segments[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err = spoolProgram(t, environ, "verify")
	if err == nil || !strings.Contains(err.Error(), "1 places are damaged") || !strings.Contains(out, "checksum") {
		t.Errorf("verify with damage: %v\n%s", err, out)
	}
	if out, err = spoolProgram(t, environ, "ls"); err != nil || !strings.Contains(out, "damaged in 1 places") {
		t.Errorf("ls with damage: %v\n%s", err, out)
	}
	if out, err = spoolProgram(t, environ, "export"); err == nil || strings.Contains(out, "m f=1 1") || !strings.Contains(out, "f=8 8") {
		t.Errorf("export with damage: %v\n%s", err, out)
	}
	var list []spool.Listing
	out, err = spoolProgram(t, environ, "verify", "-json")
	if err == nil || json.Unmarshal([]byte(out), &list) != nil || len(list) == 0 {
		t.Errorf("verify -json: %v\n%s", err, out)
	}
}

func TestSpoolUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"help"}, {"ls", "-h"}} {
		if out, err := spoolProgram(t, nil, args...); err != nil || out != spoolSummary {
			t.Errorf("spool %v: %v\n%s", args, err, out)
		}
	}
	for _, args := range [][]string{{"list"}, {"ls", "here"}, {"export", "-json"}, {"ls", "-what"}} {
		if _, err := spoolProgram(t, nil, args...); err == nil || !strings.Contains(err.Error(), "help") {
			t.Errorf("spool %v: %v", args, err)
		}
	}
}

func TestSpoolResend(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	dir := t.TempDir()
	environ := map[string]string{
		"WORKER_SPOOL_DIR": dir, "INFLUX_URL": db.URL, "INFLUX_ORG": db.Org, "INFLUX_BUCKET": db.Bucket,
		"INFLUX_TOKEN": "wrong",
	}
	var entries []influx.Quarantined
	for i, line := range []string{"m,color=red f=1 1760000000000000000", "m,color=blue f=bad 1760000000000000000", "m,color=green f=2 1760000000000000000"} {
		entries = append(entries, influx.Quarantined{At: time.Unix(1_760_000_000+int64(i), 0), Reason: "it was refused", Line: line})
	}
	if err := quarantineOf(dir).Add(entries); err != nil {
		t.Fatal(err)
	}
	if _, err := spoolProgram(t, environ, "resend"); err == nil || !strings.Contains(err.Error(), "INFLUX_TOKEN") ||
		!strings.Contains(err.Error(), "stays in the quarantine") {
		t.Errorf("with a wrong token: %v", err)
	}
	out, err := spoolProgram(t, environ, "ls", "-json")
	var report spoolReport
	if err != nil || json.Unmarshal([]byte(out), &report) != nil {
		t.Fatalf("ls: %v\n%s", err, out)
	}
	report.Quarantine.Bytes = 0
	want := quarantineReport{Lines: 3, Reasons: []reasonReport{{
		Reason: "it was refused", Lines: 3, First: time.Unix(1_760_000_000, 0).UTC(), Last: time.Unix(1_760_000_002, 0).UTC(), Example: entries[0].Line,
	}}}
	if diff := cmp.Diff(want, report.Quarantine); diff != "" || report.Records != 0 {
		t.Errorf("the report (-want +got):\n%s", diff)
	}
	environ["INFLUX_TOKEN"] = db.WorkerToken
	out, err = spoolProgram(t, environ, "resend")
	if err == nil || !strings.HasPrefix(out, "2 lines written to InfluxDB, 1 refused again") {
		t.Errorf("resend: %v\n%s", err, out)
	}
	if rows := db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: 0)`); len(rows) != 2 {
		t.Errorf("InfluxDB has %v", rows)
	}
	out, err = spoolProgram(t, environ, "ls")
	if err != nil || !strings.Contains(out, "InfluxDB refused 1 lines") || !strings.Contains(out, "unable to parse") || !strings.Contains(out, "color=blue") {
		t.Errorf("ls: %v\n%s", err, out)
	}
	t.Log("\n" + out)
}
