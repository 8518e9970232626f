package tally

import (
	"strings"
	"testing"

	"colorstream/generator/message"
	"colorstream/generator/source"
)

func TestTally(t *testing.T) {
	t.Parallel()
	l := New()
	l.Read(source.Record{Line: 2, Offset: 10})
	l.Read(source.Record{Line: 3, Offset: 20})
	for i := range 6 {
		l.Read(source.Record{
			Line: 4 + i, Rejected: &message.Error{Reason: message.ValueType, Detail: "value is wrong"},
		})
	}
	l.Read(source.Record{
		Line: 10, Offset: 40,
		Rejected: &message.Error{Reason: source.Columns, Detail: "cells are missing"},
	})
	if l.ReadTotal() != 9 || l.RejectedTotal() != 7 ||
		l.Offset() != 40 || l.Rejected()[message.ValueType] != 6 || l.FirstRejected() != "line 4: value is wrong" {
		t.Errorf("%d read, %d rejected, offset %d", l.ReadTotal(), l.RejectedTotal(), l.Offset())
	}
	var text strings.Builder
	sums := []Sum{{"published", 2, "in a second"}, {"unsent", 0, "given up"}}
	if err := l.Print(&text, sums...); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"read                        9\nrejected                    7  value_type 6, columns 1\n" +
			"published                   2  in a second\nunsent                      0\n" +
			"rejected line 4: value is wrong\n",
		"rejected line 8: value is wrong\n",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("no line %q in\n%s", line, text.String())
		}
	}
	if strings.Contains(text.String(), "line 9") {
		t.Error("too many rejected lines are shown")
	}
}
