package main

import (
	"os"
	"regexp"
	"testing"
)

var metricName = regexp.MustCompile(`\bcolorstream_[a-z_]*[a-z]\b`)

// What dashboards and alerts read of the programs, they show: the tables of metrics, which each
// program's own test compares with its registry, have a row for it. Of what is made up here for
// tests the same is wanted.
func TestMetricsAreShown(t *testing.T) {
	t.Parallel()
	read := func(path string) string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	shown := make(map[string]bool)
	rows := regexp.MustCompile("(?m)^\\| `(" + metricName.String() + ")[{`]")
	for _, row := range rows.FindAllStringSubmatch(read("../worker/docs/metrics.md"), -1) {
		shown[row[1]] = true
	}
	for _, path := range []string{
		"dashboards/colors.json", "dashboards/pipeline.json", "provisioning/alerting/rules.yaml",
		"provisioning/alerting/pipeline.yaml", "sample/metrics.go", "stack_test.go",
	} {
		for _, name := range metricName.FindAllString(read(path), -1) {
			if !shown[name] {
				t.Errorf("%s: no program shows the metric %s", path, name)
			}
		}
	}
}
