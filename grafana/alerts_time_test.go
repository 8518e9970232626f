package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/grafanatest"
	"colorstream/grafana/sample"
	"colorstream/influxdb/influxtest"
)

// inTime bounds the time from a fault to its slowest alert: two minutes of readings, a minute of
// waiting, and the rounds of those who read and ask.
const inTime = 5 * time.Minute

// Each fault happens to a stack of its own, watched by the rules as they are: its alerts fire in
// time, and no other does.
func TestAlertsInTime(t *testing.T) {
	t.Parallel()
	grafanatest.Need(t)
	set := load(t, ".")
	uids := map[string]string{}
	for _, r := range set.Rules() {
		uids[r.Get("title").Str] = strings.TrimPrefix(r.Get("uid").Str, "colorstream-")
	}
	db := influxtest.Start(t) // its own: hundreds of rules ask it
	buckets, stacks := map[string]*influxtest.Server{}, map[string]*stack{}
	for name, f := range faults {
		buckets[name], stacks[name] = db.NewBucket(t), newStack(f)
	}
	token := []string{"INFLUX_TOKEN=" + db.AdminToken}
	g := grafanatest.Start(t, grafanatest.Options{Influx: db, Environ: token, Edit: func(dir string) {
		for name, bucket := range buckets {
			copyFor(t, dir, name, bucket.Bucket)
		}
	}})

	broke := time.Now().Truncate(sample.Scrape)
	for name, s := range stacks {
		buckets[name].Write(t, s.history(begin, broke))
	}
	fired := map[string]time.Duration{}
	want := 0
	for _, f := range faults {
		want += len(f.alerts)
	}
	for end := broke.Add(sample.Scrape); len(fired) < want || end.Before(broke.Add(inTime*4/5)); end = end.Add(sample.Scrape) {
		time.Sleep(time.Until(end))
		for name, s := range stacks {
			buckets[name].Write(t, s.next(end))
		}
		all, err := rules(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			key := r.Folder + ": " + uids[r.Name]
			if _, ok := fired[key]; !ok && r.State == "firing" && r.Folder != "Colorstream" {
				fired[key] = time.Since(broke).Round(time.Second)
			}
		}
		if time.Since(broke) > inTime {
			break
		}
	}
	for name, f := range faults {
		for _, alert := range f.alerts {
			if _, ok := fired[name+": "+alert]; !ok {
				t.Errorf("%s: %s does not fire within %v", name, alert, inTime)
			}
			t.Logf("%s: %s after %v", name, alert, fired[name+": "+alert])
			delete(fired, name+": "+alert)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(fired)) {
		t.Errorf("%s fires, after %v", key, fired[key])
	}
}

var ruleUID = regexp.MustCompile(`(?m)^(\s+- uid: )colorstream-`)

// copyFor gives a fault its own data sources, and the rules that watch them. Its folder is called
// as the fault is.
func copyFor(t *testing.T, dir, name, bucket string) {
	t.Helper()
	change := strings.NewReplacer(
		"uid: colorstream-influxdb", "uid: influxdb-"+bucket, "uid: colorstream-pipeline",
		"uid: pipeline-"+bucket,
		"Uid: colorstream-influxdb", "Uid: influxdb-"+bucket, "Uid: colorstream-pipeline",
		"Uid: pipeline-"+bucket,
		"name: InfluxDB", "name: influxdb-"+bucket, "name: Pipeline", "name: pipeline-"+bucket,
		"isDefault: true", "",
		"$__env{INFLUX_BUCKET}", bucket, "$__env{INFLUX_PIPELINE_BUCKET}", bucket,
		"folder: Colorstream", fmt.Sprintf("folder: %q", name),
	)
	for _, path := range []string{
		"datasources/influxdb.yaml", "datasources/pipeline.yaml", "alerting/rules.yaml",
		"alerting/pipeline.yaml",
	} {
		text, err := os.ReadFile(filepath.Join("provisioning", path))
		if err != nil {
			t.Fatal(err)
		}
		text = []byte(change.Replace(
			ruleUID.ReplaceAllString(string(text), "${1}"+bucket[len(bucket)-3:]+"-")))
		path = filepath.Join(dir, filepath.Dir(path), bucket+"-"+filepath.Base(path))
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
