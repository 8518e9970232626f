package servicetest

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update-metrics", false, "write the tables of metrics anew")

// CheckMetrics holds the table under a heading of a document against what a program's registry describes. The metrics
// of the Go runtime and of the process are left out, as they are the libraries' own.
//
//	## worker
//
//	| metric | type | |
//	|---|---|---|
//	| `colorstream_worker_rejected_total{reason}` | counter | Messages that are in no window, by reason. |
func CheckMetrics(t *testing.T, path, heading string, registry *prometheus.Registry) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("%s has no heading %q", path, heading)
	}
	section, after, more := strings.Cut(rest, "\n## ")
	var table []string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "| `") {
			table = append(table, strings.TrimSuffix(line, "\n"))
		}
	}
	want := describe(t, registry)
	if diff := cmp.Diff(want, table); diff != "" && !*update {
		t.Errorf("%s, %q: -code +document (go test -update-metrics writes it anew)\n%s", path, heading, diff)
	}
	if !*update {
		return
	}
	intro, _, _ := strings.Cut(section, "| metric |")
	section = intro + "| metric | type | |\n|---|---|---|\n" + strings.Join(want, "\n") + "\n"
	if more {
		after = "\n## " + after
	}
	if err := os.WriteFile(path, []byte(before+"\n## "+heading+"\n"+section+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// description is how prometheus.Desc prints itself; there is no other way to ask it.
var description = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)"(?:, unit: "[^"]*")?, constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

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
		for pair := range strings.SplitSeq(m[3], ",") {
			if label, _, ok := strings.Cut(pair, "="); ok {
				labels = append(labels, label)
			}
		}
		for label := range strings.SplitSeq(m[4], ",") {
			if label != "" {
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
