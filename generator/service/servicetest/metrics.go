package servicetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// CheckMetrics holds the table under a heading of a document against what a program's registry
// gathers: each metric must have a value. Those of the Go runtime and of the process are the
// libraries' own and left out.
//
//	## worker
//
//	| metric | type | |
//	|---|---|---|
//	| `colorstream_worker_rejected_total{reason}` | counter | Messages in no window, by reason. |
func CheckMetrics(t *testing.T, path, heading string, registry *prometheus.Registry) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, f := range families {
		name, kind := f.GetName(), strings.ToLower(f.GetType().String())
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		if (kind == "counter") != strings.HasSuffix(name, "_total") {
			t.Errorf("%s is a %s: a counter's name, and no other's, ends in _total", name, kind)
		}
		var labels []string
		for _, label := range f.Metric[0].Label {
			labels = append(labels, label.GetName())
		}
		if len(labels) > 0 {
			name += "{" + strings.Join(labels, ",") + "}"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", name, kind, f.GetHelp()))
	}
	slices.Sort(rows)
	checkTable(t, path, heading, "| metric | type | |", rows)
}
