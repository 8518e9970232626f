package source

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// FuzzInput feeds any bytes to every reader: none may fall over, run for ever, or let a message pass that the
// worker would refuse.
func FuzzInput(f *testing.F) {
	for _, text := range []string{
		"color,value\nred,1\n", "color;value;name\r\nred;1;\"n\"\r\n", "color,value,ts\nred,1,1760000000.5\nred,1",
		"\ufeffcolor\tvalue\n\"re\"\"d\"\t1e5\n", "color,value\n\"red\n", "color,value\nred\",1\n", "",
		`{"color":"red","value":1}` + "\n", `{"color":"red","value":1,"ts":"2025-10-09 08:53:20"}`, "[1]\n{}", "\x1f\x8b",
	} {
		for kind := range uint8(4) {
			f.Add(text, kind)
		}
	}
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		o := standard()
		if kind&1 != 0 {
			o.Format = JSONLines
		}
		if kind&2 != 0 {
			o.TimeUnit = UnitS
		}
		in, err := Open(Stdin, strings.NewReader(text), o)
		if err != nil {
			return
		}
		line, offset := 0, int64(0)
		for range len(text) + 2 {
			record, err := in.Next()
			now, at := record.Line, record.Offset
			if refused, ok := errors.AsType[*Refused](err); ok {
				now, at = refused.Line, refused.Offset
				if refused.Reason == "" || refused.Detail == "" {
					t.Fatalf("%q: refused without a reason: %+v", text, refused)
				}
			} else if err != nil {
				if errors.Is(err, io.EOF) != (err == io.EOF) {
					t.Fatalf("%q: the end is wrapped: %v", text, err)
				}
				return
			} else if err := record.Validate(); err != nil {
				t.Fatalf("%q: line %d makes a message that is refused: %v", text, now, err)
			}
			if now < line || at < offset {
				t.Fatalf("%q: line %d, offset %d after line %d, offset %d", text, now, at, line, offset)
			}
			line, offset = now, at
		}
		t.Fatalf("%q: no end", text)
	})
}

func FuzzTime(f *testing.F) {
	for _, text := range []string{"", "1", "-1.5", "1760000000123", "2025-10-09T08:53:20Z", "2025-10-09 08:53:20", "+.", "9e9"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, unit := range []TimeUnit{UnitAuto, UnitS, UnitMS, UnitUS, UnitNS} {
			got, err := parseTime(text, unit)
			if (err == nil && got.IsZero()) != (text == "") {
				t.Fatalf("%q %s: %s, %v", text, unit, got, err)
			}
		}
	})
}
