package source

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

func TestJSONLines(t *testing.T) {
	t.Parallel()
	std := standard()
	expect(t, `{"color":"red","name":"n","value":42}`+"\n\r\n  \n"+` {"value":1,"color":"blue","ts":1760000000000} `+"\r\n"+`{"color":"x","value":2}`, std,
		`1: {"color":"red","name":"n","value":42}`,
		`4: {"color":"blue","name":"","value":1,"ts":1760000000000}`,
		`5: {"color":"x","name":"","value":2}`)
	expect(t, "{\"color\":\"red\",\"value\":1,\"ts\":946684805000}\n", std, `1: {"color":"red","name":"","value":1,"ts":946684805000}`) // ms, as on the wire
	expect(t, `{"color":"red"}`+"\n{\n"+`{"color":"red","value":"42"}`+"\nx\n"+`{"color":"red","value":1} 2`, std,
		"1 value_missing: there is no value",
		"2 not_json: the message is not JSON: it is cut short",
		`3 value_type: value must be a number, not "42"`,
		"4 not_json: the message is not JSON: invalid character 'x' looking for beginning of value",
		"5 trailing_data: there is more after the JSON object")
	expect(t, "[{\"color\":\"red\",\"value\":1}]\n", std,
		"end: read standard input: is a JSON array: it must have one object a line (jq -c '.[]' makes that of it)")
	o := std
	o.Format = JSONLines
	expect(t, "", o)
}

func TestJSONLinesMapped(t *testing.T) {
	t.Parallel()
	o := mapped("team", "who", "points", "when")
	expect(t, `{"team":"red","who":"Ann","points":3.5,"when":"2025-10-09 08:53:20","x":[{}]}`+"\n"+
		`{"team":"red","who":"Ann","points":3,"when":1760000000}`+"\n"+
		`{"team":"red","who":"Ann","points":3,"when":1760000000.25}`+"\n"+
		`{"team":"red","who":"Ann","points":"3","when":1}`+"\n"+
		`{"team":"","who":"Ann","points":3,"when":1}`+"\n"+
		`{"team":"red","who":5,"points":3,"when":1760000000}`+"\n"+
		`{"team":"red","team":"blue","who":"Ann","points":3,"when":1}`+"\n"+
		`{"team":"red","who":"Ann","points":3,"when":"soon"}`+"\n"+
		`{"team":"red","who":"Ann","when":1}`+"\n"+
		`{"team":"red","points":3,"when":1}`+"\n"+
		`{"team":"red","who":"Ann","points":3}`+"\n"+
		`{"team":"red","who":"Ann","points":3,"when":1}}`+"\n"+
		`"team"`+"\n", o,
		`1: {"color":"red","name":"Ann","value":3.5,"ts":1760000000000}`,
		`2: {"color":"red","name":"Ann","value":3,"ts":1760000000000}`,
		`3: {"color":"red","name":"Ann","value":3,"ts":1760000000250}`,
		`4 value_type: value must be a number, not "3" (field "points")`,
		`5 color_empty: color is empty (field "team")`,
		`6 name_type: name must be a string, not 5 (field "who")`,
		`7 duplicate_field: field "team" stands twice`,
		`8 ts_invalid: ts "soon" is no RFC 3339 time (field "when")`,
		`9 value_missing: there is no field "points" for the value: GENERATOR_INPUT_VALUE may be one of ["team" "who" "when"]`,
		`10 name_type: there is no field "who" for the name: GENERATOR_INPUT_NAME may be one of ["team" "points" "when"]`,
		`11 ts_invalid: there is no field "when" for the ts: GENERATOR_INPUT_TIME may be one of ["team" "who" "points"]`,
		`12 trailing_data: there is more after the JSON object`,
		`13 not_object: the message is not a JSON object`)
	expect(t, `{"color":"red","price":3}`+"\n", mapped("", "", "price", ""), `1: {"color":"red","name":"price","value":3}`)
}

func TestJSONLinesLongLines(t *testing.T) {
	t.Parallel()
	long := func(n int) string {
		return `{"color":"red","value":1,"x":"` + strings.Repeat("x", n) + `"}`
	}
	o := standard()
	o.Format = JSONLines
	expect(t, long(100)+"\n"+long(100_000)+"\n"+long(MaxLine)+"\n"+long(3*MaxLine)+"\n"+long(1)+"\n"+long(MaxLine), o,
		`1: {"color":"red","name":"","value":1}`,
		`2: {"color":"red","name":"","value":1}`,
		"3 too_long: is longer than 1048576 bytes",
		"4 too_long: is longer than 1048576 bytes",
		`5: {"color":"red","name":"","value":1}`,
		"6 too_long: is longer than 1048576 bytes")
}

// What the wire format accepts and refuses, a file of JSON lines does too, whether its fields are renamed or not.
func TestJSONLinesHasTheRulesOfTheWire(t *testing.T) {
	t.Parallel()
	f, err := os.Open("../message/testdata/messages.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	renamed := mapped("", "", "", "")
	renamed.TimeUnit = UnitS // so that the path for renamed fields is taken
	cases := 0
	for s := bufio.NewScanner(f); s.Scan(); {
		var c struct {
			Payload string
			Base64  []byte `json:"payload_base64"`
			Accept  bool
			Why     string
		}
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		if c.Base64 != nil {
			c.Payload = string(c.Base64)
		}
		if strings.ContainsAny(c.Payload, "\n\r") || strings.TrimSpace(c.Payload) == "" || strings.Contains(c.Payload, `"ts"`) ||
			c.Payload[0] == '[' || strings.HasPrefix(c.Payload, "\ufeff") {
			continue // these are no single lines, or mean something else in a file
		}
		cases++
		for _, o := range []Options{standard(), renamed} {
			o.Format = JSONLines
			got := read(c.Payload+"\n", o)
			if accepted := len(got) == 1 && strings.HasPrefix(got[0], "1: "); accepted != c.Accept {
				// Only what is read of a line with renamed fields can be wrong there.
				if o.TimeUnit == UnitS && (c.Why == "duplicate field" || strings.Contains(c.Why, "other field")) {
					continue
				}
				t.Errorf("%s (unit %s): %q gives %q", c.Why, o.TimeUnit, c.Payload, got)
			}
		}
	}
	if cases < 20 {
		t.Fatalf("only %d cases", cases)
	}
}
