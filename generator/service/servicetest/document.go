// Package servicetest helps to test programs: it holds the tables of variables and of metrics in
// their documents against the code (`make generate` writes them anew), and reads what a running
// program writes.
package servicetest

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update-docs", false, "write the documents' tables anew")

// checkTable compares the table under a heading of a document with the rows that it must have.
func checkTable(t *testing.T, path, heading, head string, rows []string) {
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
	if !*update {
		if diff := cmp.Diff(rows, table); diff != "" {
			t.Errorf("%s, %q: -code +document (make generate writes it anew)\n%s", path, heading, diff)
		}
		return
	}
	intro, _, _ := strings.Cut(section, "| ")
	if more {
		after = "\n## " + after
	}
	section = intro + head + "\n|" + strings.Repeat("---|", strings.Count(head, "|")-1) + "\n" +
		strings.Join(rows, "\n") + "\n"
	text = []byte(before + "\n## " + heading + "\n" + section + after)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
