package ledger

import (
	"strings"
	"testing"

	"colorstream/generator/message"
	"colorstream/generator/publish"
	"colorstream/generator/source"
)

func TestLedger(t *testing.T) {
	t.Parallel()
	l := New()
	l.Read(source.Record{Line: 2, Offset: 10})
	l.Read(source.Record{Line: 3, Offset: 20})
	for i := range 6 {
		l.Refuse(&source.Refused{Line: 4 + i, Reason: message.ValueType, Detail: "value is wrong", Offset: 30})
	}
	l.Refuse(&source.Refused{Line: 10, Reason: source.Columns, Detail: "cells are missing", Offset: 40})
	if l.ReadTotal() != 9 || l.RefusedTotal() != 7 || l.Offset() != 40 || l.Refused()[message.ValueType] != 6 || l.FirstRefused().Line != 4 {
		t.Errorf("%d read, %d refused, offset %d", l.ReadTotal(), l.RefusedTotal(), l.Offset())
	}
	var text strings.Builder
	if err := l.Print(&text, publish.Counts{Published: 1, NoSubscribers: 1, Unacknowledged: 1, Errors: 1}); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"read                        9\n",
		"published                   1  in ",
		"  no_subscribers            1  nobody was subscribed when they were published\n",
		"rejected                    7  value_type 6, columns 1\n",
		"unacknowledged              1  the connection broke before Redis answered; not sent again, so that none is doubled\n",
		"unsent                      0\n",
		"errors                      1  failed attempts to publish; all that they held is counted above\n" +
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
