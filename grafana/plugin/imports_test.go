package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What the plugin is made of: of the other modules only the wire format, the worker's receivers and
// the window's arithmetic.
func TestOnlyContractsAreImported(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	allowed := []string{
		"colorstream/generator/certs", "colorstream/generator/message", "colorstream/generator/redisurl",
		"colorstream/generator/streamid", "colorstream/influxdb/series",
		"colorstream/worker/source", "colorstream/worker/window",
	}
	for path := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(path, "colorstream/") &&
			!strings.HasPrefix(path, "colorstream/grafana/plugin") && !slices.Contains(allowed, path) {
			t.Errorf("%s is imported", path)
		}
	}
}
