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
	heading = "\n## " + heading + "\n"
	before, rest, found := strings.Cut(string(text), heading)
	if !found {
		t.Fatalf("%s has no heading %q", path, heading)
	}
	section, after, more := strings.Cut(rest, "\n## ")
	intro, _, _ := strings.Cut(section, "| ")
	want := before + heading + intro + head + "\n|" +
		strings.Repeat("---|", strings.Count(head, "|")-1) + "\n" + strings.Join(rows, "\n") + "\n"
	if more {
		want += "\n## " + after
	}
	if !*update {
		if diff := cmp.Diff(want, string(text)); diff != "" {
			t.Errorf("%s: -code +document (make generate writes it anew)\n%s", path, diff)
		}
	} else if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
