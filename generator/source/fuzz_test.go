package source

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzInput feeds any bytes to every reader: none may fail on them, run without end, or let a
// message pass that the worker would reject.
func FuzzInput(f *testing.F) {
	for _, text := range []string{
		"color,value\nred,1\n", "color;value;name\r\nred;1,5;\"n\"\r\n",
		"color,value,ts\nred,1,1760000000.5\nred,1",
		"\ufeffcolor\tvalue\n\"re\"\"d\"\t1e5\n", "color,value\n\"red\n", "color,value\nred\",1\n", "",
		`{"color":"red","value":1}` + "\n", `{"color":"red","value":1,"ts":"2025-10-09 08:53:20"}`,
		"[1]\n{}", "\x1f\x8b",
		"{\n\"color\":\"red\",\n\"value\":1\n}\n", `[{"color":{"a":"x"},"value":"1,5"}]`,
		"# x\nred;1;01/02/2025\n", "\x28\xb5\x2f\xfd",
		`{"color":"re` + "\n{\"color\":\"red\",\"value\":1}\n",
	} {
		for kind := range uint8(8) {
			f.Add(text, kind)
		}
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		var o Options
		if kind&1 != 0 {
			o.Format = JSON
		}
		if kind&2 != 0 {
			o.TimeFormat, o.Decimal = "day-first", Comma
		}
		if kind&4 != 0 && kind&1 == 0 {
			o.Color, o.Value, o.Time = "1", "2", "3"
		} else if kind&4 != 0 {
			o.Color = "color.a"
		}
		in, err := Open(Stdin, strings.NewReader(text), o)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		line, offset, n := 0, int64(0), 0
		for r, err := range in.All(t.Context()) {
			if errors.Is(err, io.EOF) {
				t.Fatalf("%q: the end is an error: %v", text, err)
			} else if err != nil {
				return
			}
			if r.Rejected != nil {
				if r.Rejected.Reason == "" || r.Rejected.Detail == "" {
					t.Fatalf("%q: rejected without a reason: %+v", text, r)
				}
			} else if err := errors.Join(r.Validate(), r.ValidateAge()); err != nil {
				t.Fatalf("%q: line %d makes a message that is rejected: %v", text, r.Line, err)
			}
			if r.Line < line || r.Offset < offset {
				t.Fatalf("%q: %+v after line %d, offset %d", text, r, line, offset)
			}
			line, offset = r.Line, r.Offset
			if n++; n > len(text)+2 {
				t.Fatalf("%q: no end", text)
			}
		}
	})
}
