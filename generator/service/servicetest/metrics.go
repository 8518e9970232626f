package servicetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// CheckMetrics holds the table under a heading of a document against what a program's registry
// describes. The metrics of the Go runtime and of the process are the libraries' own and left out.
//
//	## worker
//
//	| metric | type | |
//	|---|---|---|
//	| `colorstream_worker_rejected_total{reason}` | counter | Messages in no window, by reason. |
func CheckMetrics(t *testing.T, path, heading string, registry *prometheus.Registry) {
	t.Helper()
	checkTable(t, path, heading, "| metric | type | |", describe(t, registry))
}

// description is how prometheus.Desc prints itself; there is no other way to ask it.
var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)"` +
	`(?:, unit: "[^"]*")?, constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

func describe(t *testing.T, registry *prometheus.Registry) []string {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]string{}
	for _, f := range families {
		kinds[f.GetName()] = strings.ToLower(f.GetType().String())
	}
	descs := make(chan *prometheus.Desc)
	go func() {
		registry.Describe(descs)
		close(descs)
	}()
	var rows []string
	for d := range descs {
		m := description.FindStringSubmatch(d.String())
		if m == nil {
			t.Fatalf("a description is not understood: %s", d)
		}
		name := m[1]
		if strings.HasPrefix(name, "go_") || strings.HasPrefix(name, "process_") {
			continue
		}
		var labels []string
		for pair := range strings.SplitSeq(m[3]+","+m[4], ",") {
			if label, _, _ := strings.Cut(pair, "="); label != "" {
				labels = append(labels, label)
			}
		}
		slices.Sort(labels)
		full := name
		if len(labels) > 0 {
			full += "{" + strings.Join(labels, ",") + "}"
		}
		kind := "gauge" // of what is not there yet
		switch {
		case kinds[name] == "histogram":
			kind = "histogram"
		case strings.HasSuffix(name, "_total"):
			kind = "counter"
		}
		if actual, ok := kinds[name]; ok && actual != kind {
			t.Errorf("%s is a %s: a counter's name, and no other's, ends in _total", name, actual)
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", full, kind, m[2]))
	}
	slices.Sort(rows)
	return slices.Compact(rows)
}
