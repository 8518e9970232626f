package message

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A payloadCase is one line of testdata/messages.jsonl. Payloads that are no text stand there in base64.
type payloadCase struct {
	Payload string
	Base64  []byte `json:"payload_base64"`
	Accept  bool
	Why     string
}

func payloadCases(t testing.TB) []payloadCase {
	f, err := os.Open("testdata/messages.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []payloadCase
	for s := bufio.NewScanner(f); s.Scan(); {
		var c payloadCase
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Base64 != nil {
			c.Payload = string(c.Base64)
		}
		cases = append(cases, c)
	}
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

func TestDecodeCases(t *testing.T) {
	for _, c := range payloadCases(t) {
		t.Run(c.Why, func(t *testing.T) {
			m, err := Decode(c.Payload)
			if (err == nil) != c.Accept {
				t.Fatalf("Decode(%q) = %+v, %v; accept %v", c.Payload, m, err, c.Accept)
			}
			if err == nil {
				return
			}
			if e, ok := errors.AsType[*Error](err); !ok || e.Reason == "" || e.Detail == "" {
				t.Errorf("error %#v has no reason", err)
			}
			if !cmp.Equal(m, Message{}) {
				t.Errorf("a refused message leaves %+v", m)
			}
		})
	}
}

func TestDecode(t *testing.T) {
	at := time.UnixMilli(1760000000000).UTC()
	want := func(payload string, m Message) {
		t.Helper()
		got, err := Decode(payload)
		if err != nil {
			t.Errorf("Decode(%s): %v", payload, err)
		} else if diff := cmp.Diff(m, got); diff != "" {
			t.Errorf("Decode(%s): -want +got\n%s", payload, diff)
		}
	}
	want(`{"color":"red","name":"n","value":42}`, Message{"red", "n", 42, time.Time{}})
	want(`{"color":"red","value":42.5,"ts":1760000000000}`, Message{"red", "", 42.5, at})
	want(`{"color":"red","name":"n","value":-0.1,"ts":1760000000000}`, Message{"red", "n", -0.1, at})
	want(`{"ts":"2025-10-09T10:53:20+02:00","color":"red","value":1e3}`, Message{"red", "", 1000, at})
	want(`{"color":"\ud83d\udfe5","value":1,"x":{"color":"blue","y":[null,"\\"]}}`, Message{"🟥", "", 1, time.Time{}})
	want(`{"color":"red","name":"n","value":9007199254740993}`, Message{"red", "n", 9007199254740992, time.Time{}})
	want(`{"color":"red","value":1,"ts":-1}`, Message{"red", "", 1, time.UnixMilli(-1).UTC()})
	want(`{"color":"red","name":"n","value":1,"ts":0}`, Message{"red", "n", 1, time.UnixMilli(0).UTC()})

	refuse := func(payload string, reason Reason, words string) {
		t.Helper()
		_, err := Decode(payload)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != reason {
			t.Errorf("Decode(%s): %v; want reason %s", payload, err, reason)
		} else if !strings.Contains(e.Detail, words) {
			t.Errorf("Decode(%s) says %q, without %q", payload, e.Detail, words)
		}
	}
	refuse(``, Empty, "empty")
	refuse(`nonsense`, NotJSON, "not JSON")
	refuse(`{"color":"red","value":1`, NotJSON, "cut short")
	refuse(`{"color":"red","value":1}]`, TrailingData, "after the JSON object")
	refuse(`{"value":"1","value":2} x`, TrailingData, "after")
	refuse(`"red"`, NotObject, "object")
	refuse(`{"color":7,"value":1}`, ColorType, "not 7")
	refuse(`{"color":"","value":1}`, ColorEmpty, "empty")
	refuse(`{"color":"`+strings.Repeat("é", 65)+`","value":1}`, ColorTooLong, "130 bytes")
	refuse(`{"color":"a\u0085b","value":1}`, ColorControl, `a\u0085b`)
	refuse(`{"color":"a\\\\","value":1}`, ColorBackslash, "backslash")
	want(`{"color":"a\\,b\\ \\=","value":1}`, Message{`a\,b\ \=`, "", 1, time.Time{}})
	refuse(`{"color":"\ud800","value":1}`, InvalidUTF8, "surrogate")
	refuse(`{"color":"\udc00\ud800","value":1}`, InvalidUTF8, "surrogate")
	refuse(`{"color":"red","value":"42"}`, ValueType, `"42"`)
	refuse(`{"color":"red","value":-1e999}`, ValueRange, "-1e999")
	refuse(`{"color":"red","value":1,"name":null}`, NameType, "null")
	refuse(`{"color":"red","value":1,"ts":1.5}`, TimeInvalid, "1.5")
	refuse(`{"color":"red","value":1,"ts":"2025-10-09"}`, TimeInvalid, "2025-10-09")
	refuse(`{"color":"red","value":1,"ts":"9999-01-01T00:00:00Z"}`, TimeRange, "9999")
	refuse(`{"color":"red","value":1,"ts":"0001-01-01T00:00:00Z"}`, TimeRange, "0001")
	refuse(`{"color":"red","name":"n","value":1,"ts":9999999999999}`, TimeRange, "9999999999999")
	refuse(`{"color":"red","value":1,"name":"a","name":"b"}`, DuplicateField, `"name"`)
}

func TestValidateAgreesWithDecode(t *testing.T) {
	for _, m := range []Message{
		{},
		{Color: "red"},
		{Color: "red", Name: "\xff"},
		{Color: "red\xff"},
		{Color: `back\slash`, Name: "\"\x01\\"},
		{Color: `back\`},
		{Color: `a\=b`},
		{Color: "a b,c=d"},
		{Color: "tab\t"},
		{Color: strings.Repeat("x", MaxColor)},
		{Color: strings.Repeat("x", MaxColor+1)},
		{Color: "red", Value: 1e308, Time: time.Unix(0, 1).UTC()},
		{Color: "red", Time: time.UnixMilli(1760000000001).UTC()},
		{Color: "red", Time: time.Date(3000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		payload := string(m.AppendJSON(nil))
		got, err := Decode(payload)
		if valid := m.Validate() == nil; valid != (err == nil) {
			t.Errorf("%s: Validate: %v, Decode: %v", payload, m.Validate(), err)
		} else if valid && !cmp.Equal(m, got) {
			t.Errorf("%s: %s", payload, cmp.Diff(m, got))
		}
	}
}

// FuzzDecode holds the scanner against the strict decoder, and the writer against both.
func FuzzDecode(f *testing.F) {
	for _, c := range payloadCases(f) {
		f.Add(c.Payload)
	}
	for _, number := range []string{"0", "-0", "0.1", "123456789012345", "0.000000000000001", "1e22", "00", "1.", "-"} {
		f.Add(`{"color":"red","name":"n","value":` + number + `}`)
		f.Add(`{"color":"red","name":"n","value":1,"ts":` + number + `}`)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		want, wantErr := decodeStrict(payload)
		if m, ok := scan(payload); ok && (wantErr != nil || m != want) {
			t.Fatalf("scan(%q) = %+v; the strict decoder says %+v, %v", payload, m, want, wantErr)
		}
		if wantErr != nil {
			return
		}
		if err := want.Validate(); err != nil {
			t.Fatalf("Decode(%q) lets pass what Validate refuses: %v", payload, err)
		}
		again, err := Decode(string(want.AppendJSON(nil)))
		if err != nil || !again.Time.Equal(want.Time) || again.Value != want.Value || again.Color != want.Color ||
			again.Name != want.Name {
			t.Fatalf("%q is written as %s and read as %+v, %v", payload, want.AppendJSON(nil), again, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	run := func(name, payload string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Decode(payload); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	run("scanned", `{"color":"red","name":"value_name","value":42}`)
	run("scanned decimal and time", `{"color":"red","name":"value_name","value":42.125,"ts":1760000000000}`)
	run("strict", `{"value":42,"color":"red","name":"value_name"}`)
}
