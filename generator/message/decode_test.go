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

// A payloadCase is one line of testdata/messages.jsonl. Payloads that are no text stand there in
// base64.
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
				t.Errorf("a rejected message leaves %+v", m)
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
	want(`{"color":"\ud83d\udfe5","value":1,"x":{"color":"blue","y":[null,"\\"]}}`,
		Message{"🟥", "", 1, time.Time{}})
	want(`{"color":"red","name":"n","value":9007199254740993}`,
		Message{"red", "n", 9007199254740992, time.Time{}})
	want(`{"color":"red","name":"n","value":18446744073709551617}`,
		Message{"red", "n", 18446744073709551616, time.Time{}})
	want(`{"color":"red","value":1,"ts":1760000000000.75}`,
		Message{"red", "", 1, at.Add(750 * time.Microsecond)})
	want(`{"color":"red","value":1,"ts":1.76e12}`, Message{"red", "", 1, at})
	want(`{"color":"red","value":1,"ts":"2025-10-09T10:53:20+0200"}`, Message{"red", "", 1, at})
	want(`{"color":"red","value":1,"ts":"2025-10-09T08:53:20.000Z"}`, Message{"red", "", 1, at})
	want(`{"color":"red","value":1,"ts":null,"name":null}`, Message{"red", "", 1, time.Time{}})
	want("\ufeff {\"color\":\"  dark red \",\"value\":1}\r\n", Message{"dark red", "", 1, time.Time{}})
	want(`{"color":"`+strings.Repeat(" ", 99)+strings.Repeat("x", MaxColor)+`","name":" n","value":1}`,
		Message{strings.Repeat("x", MaxColor), " n", 1, time.Time{}})
	want(`{"color":"red","name":"n","value":1,"ts":946684800000}`, Message{"red", "n", 1, year2000})
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	want(`{"color":"red","value":1,"x":`+deep+`}`, Message{"red", "", 1, time.Time{}})

	reject := func(payload string, reason Reason, words string) {
		t.Helper()
		_, err := Decode(payload)
		if e, ok := errors.AsType[*Error](err); !ok || e.Reason != reason {
			t.Errorf("Decode(%s): %v; want reason %s", payload, err, reason)
		} else if !strings.Contains(e.Detail, words) {
			t.Errorf("Decode(%s) says %q, without %q", payload, e.Detail, words)
		}
	}
	reject(``, Empty, "empty")
	reject(`nonsense`, NotJSON, "not JSON")
	reject(`{"color":"red","value":1`, NotJSON, "unexpected end")
	reject(`{"color":"red","value":1}]`, TrailingData, "after the JSON object")
	reject(`{"color":"red","value":1}{"color":"red","value":1}`, TrailingData, "after the JSON object")
	reject(`{"value":"1"]`, NotJSON, "not JSON")
	reject(`[1,2]`, NotObject, "object")
	reject(`[INFO] {"color":"red","value":1}`, NotJSON, "character 'I'")
	reject("\ufeff \n", Empty, "empty")
	reject(`"red"`, NotObject, "object")
	reject(`{"color":7,"value":1}`, ColorType, "not 7")
	reject(`{"color":"","value":1}`, ColorEmpty, "empty")
	reject(`{"color":"`+strings.Repeat("é", 65)+`","value":1}`, ColorTooLong, "130 bytes")
	reject(`{"color":"a\u0085b","value":1}`, ColorControl, `a\u0085b`)
	reject(`{"color":"a\\\\","value":1}`, ColorBackslash, "backslash")
	want(`{"color":"a\\,b\\ \\=","value":1}`, Message{`a\,b\ \=`, "", 1, time.Time{}})
	reject(`{"color":"\ud800","value":1}`, InvalidUTF8, "surrogate")
	reject(`{"color":"\udc00","value":1}`, InvalidUTF8, "surrogate")
	reject(`{"color":"\udc00\ud800","value":1}`, InvalidUTF8, "surrogate")
	reject(`{"color":"\\\ud83d\ud83d\udfe5","value":1}`, InvalidUTF8, "surrogate")
	want(`{"color":"\\ud800 \u00e9","value":1}`, Message{`\ud800 é`, "", 1, time.Time{}})
	reject(`{"color":"red","value":"42"}`, ValueType, `"42"`)
	reject(`{"color":"red","value":-1e999}`, ValueRange, "-1e999")
	reject(`{"color":null,"value":1}`, ColorType, "null")
	reject(`{"color":"  ","value":1}`, ColorEmpty, "empty")
	reject(`{"color":"red","value":null}`, ValueType, "null")
	reject(`{"color":"red","value":1,"name":7}`, NameType, "7")
	reject(`{"color":"red","value":1,"name":null,"name":"b"}`, DuplicateField, `"name"`)
	reject(`{"color":"red","value":1,"ts":true}`, TimeInvalid, "true")
	reject(`{"color":"red","value":1,"ts":"2025-10-09"}`, TimeInvalid, "2025-10-09")
	reject(`{"color":"red","value":1,"ts":"2025-10-09T08:53:20"}`, TimeInvalid, "no time zone")
	reject(`{"color":"red","value":1,"ts":"1760000000000"}`,
		TimeInvalid, "a number in quotation marks")
	reject(`{"color":"red","name":"n","value":1,"ts":946684799999}`, Past, "1999-12-31T23:59:59Z")
	reject(`{"color":"red","value":1,"ts":1760000000}`, Past,
		"taken for milliseconds since 1970, which is 1970-01-21T08:53:20Z; "+
			"as seconds it is 2025-10-09T08:53:20Z")
	reject(`{"color":"red","value":1,"ts":20251009}`, Past, "which is 1970-01-01T05:37:31Z")
	reject(`{"color":"red","value":1,"ts":-1}`, Past, "1969-12-31T23:59:59Z")
	reject(`{"color":"red","value":1,"ts":-1e400}`, Past, "-1e400")
	reject(`{"color":"red","value":1,"ts":"1999-12-31T23:59:59Z"}`, Past, "1999")
	reject(`{"color":"red","value":1,"ts":"0001-01-01T00:00:00Z"}`, Past, "0001")
	reject(`{"color":"red","value":1,"ts":"9999-01-01T00:00:00Z"}`, TimeRange, "9999")
	reject(`{"color":"red","name":"n","value":1,"ts":9999999999999}`, TimeRange, "9999999999999")
	reject(`{"color":"red","name":"n","value":1,"ts":18446745833709551616}`, TimeRange, "after")
	reject(`{"color":"red","value":1,"ts":1760000000000000}`,
		TimeRange, "as microseconds it is 2025-10-09T08:53:20Z")
	reject(`{"color":"red","value":1,"ts":1760000000000000000}`,
		TimeRange, "as nanoseconds it is 2025-10-09T08:53:20Z")
	reject(`{"color":"red","value":1,"ts":1e400}`, TimeRange, "1e400")
	reject(`{"color":"red","value":1,"name":"a","name":"b"}`, DuplicateField, `"name"`)
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
		{Color: "red", Value: 1e308, Time: year2000.Add(1)},
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

func TestValidateAge(t *testing.T) {
	old := Message{Color: "red", Time: year2000.Add(-1)}
	if err := old.Validate(); err != nil {
		t.Errorf("a point of 1999: %v", err)
	}
	if err := old.ValidateAge(); !hasReason(err, Past) {
		t.Errorf("a message of 1999: %v", err)
	}
	for _, m := range []Message{{}, {Time: year2000}} {
		if err := m.ValidateAge(); err != nil {
			t.Error(err)
		}
	}
}
