package source

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// read is all of an input: its messages as "line: json", what is rejected as "line reason: detail",
// and an error in the end.
func read(text string, o Options) []string {
	in, err := Open(Stdin, strings.NewReader(text), o)
	if err != nil {
		return []string{"open: " + err.Error()}
	}
	return drain(in.All(context.Background()))
}

func drain(rows iter.Seq2[Record, error]) (all []string) {
	for r, err := range rows {
		switch {
		case err != nil:
			all = append(all, "end: "+err.Error())
		case r.Rejected != nil:
			all = append(all, fmt.Sprintf("%d %s: %s", r.Line, r.Rejected.Reason, r.Rejected.Detail))
		default:
			all = append(all, fmt.Sprintf("%d: %s", r.Line, r.AppendJSON(nil)))
		}
	}
	return all
}

func expect(t *testing.T, text string, o Options, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, read(text, o)); diff != "" {
		t.Errorf("%q: -want +got\n%s", text, diff)
	}
}

// red is what a message of the colour red gives.
func red(line int, value string) string {
	return fmt.Sprintf(`%d: {"color":"red","name":"","value":%s}`, line, value)
}
