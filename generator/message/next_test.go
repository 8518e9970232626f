package message

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// split reads a payload to its end and describes each message: its colour and value, or the reason.
func split(t testing.TB, payload string) (all []string) {
	for first := true; payload != "" || first; first = false {
		m, n, err := Next(payload)
		if n <= 0 && payload != "" || n > len(payload) {
			t.Fatalf("Next(%q) takes %d bytes", payload, n)
		}
		if e, ok := errors.AsType[*Error](err); ok {
			all = append(all, string(e.Reason))
		} else {
			all = append(all, fmt.Sprint(m.Color, m.Value))
		}
		payload = payload[n:]
	}
	return all
}

func TestNext(t *testing.T) {
	want := func(payload string, want ...string) {
		t.Helper()
		if got := split(t, payload); !slices.Equal(got, want) {
			t.Errorf("%q is %q, want %q", payload, got, want)
		}
	}
	a, b := `{"color":"a","name":"n","value":1}`, `{"value":2,"color":"b"}`
	want("", "empty")
	want("\ufeff \r\n", "empty")
	want(a, "a1")
	want(a+"\n"+b, "a1", "b2")
	want(" "+a+b+" \r\n\t"+b+a+"\n\n", "a1", "b2", "b2", "a1")
	want("\ufeff"+a+"\n"+b, "a1", "b2")
	want("{\n \"color\": \"c\",\n \"value\": 3\n}\n"+a, "c3", "a1")
	want("{\n \"color\": \"c\",\n \"x\": {\"}\": \"\\\"}\"}\n}\n"+a, "value_missing", "a1")

	// What is JSON and no message is rejected whole, what is no JSON to the end of its line.
	want(`{"color":"a","value":"1"}`+a, "value_type", "a1")
	want("[\n"+a+",\n"+b+"\n]\n"+a, "not_object", "a1")
	want("42\n"+a+"\n"+b, "not_object", "a1", "b2")
	want("42 "+a+"\n"+b, "not_json", "b2")
	want("INFO "+a+"\n"+b, "not_json", "b2")
	want("[INFO] "+a+"\n"+b, "not_json", "b2")
	want(`{"color":"a","value":NaN} `+a+"\n"+b, "not_json", "b2")
	want(a+" and more\n"+b, "a1", "not_json", "b2")
	want(a+","+a, "a1", "not_json")
	want(`{"color":"a","value":1`+"\n"+a, "not_json", "a1")
	want(`{"color":"a`+"\n"+a, "not_json", "a1")
	want(`{"color":"a","value":1,"x":[`+"\n"+a+"\n"+b, "not_json", "a1", "b2")
	want("{\"color\":\"\xff\",\"value\":1}"+a, "invalid_utf8", "a1")
	want("\x80\x04\n"+a, "invalid_utf8", "a1")
	want(`{"color":"\ud800","value":1}`+a, "invalid_utf8", "a1")
	want(strings.Repeat(`{"a":[`+"\n", 1000)+a,
		append(slices.Repeat([]string{"not_json"}, 1000), "a1")...)
}

// Each line of wire.txt is a payload that users sent.
func TestWireCases(t *testing.T) {
	text, err := os.ReadFile("testdata/wire.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"w-bom1", "w-null2", "value_type", "w-lead5", "w-lead7", "past", "w-float6", "ts_invalid",
		"ts_invalid", "w-basic14", "w-nullts3",
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		lines = append(lines, split(t, line)...)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("a payload each: %q", lines)
	}
	if got := split(t, string(text)); !slices.Equal(got, want) {
		t.Errorf("in one payload: %q", got)
	}
}

// FuzzNext holds the scanner against the strict decoder, the writer against both, and the payload
// of several messages against each of them alone.
func FuzzNext(f *testing.F) {
	for _, c := range payloadCases(f) {
		f.Add(c.Payload, c.Payload)
	}
	for _, number := range []string{
		"0", "-0", "0.1", "123456789012345", "0.000000000000001", "1e22", "00", "1.", "-",
	} {
		f.Add(`{"color":"red","name":"n","value":`+number+`}`, "\n")
		f.Add(`{"color":"red","name":"n","value":1,"ts":176000000000`+number+`}`, "")
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		m, rest, err := nextStrict(first)
		var fast Message
		if after, ok := scan(first, &fast); ok && (err != nil || fast != m || after != rest) {
			t.Fatalf("scan(%q) = %+v, %q; the strict decoder says %+v, %q, %v",
				first, fast, after, m, rest, err)
		}
		if (m == Message{}) != (err != nil) {
			t.Fatalf("%q is %+v, %v", first, m, err)
		}
		alone, together := split(t, first), split(t, first+"\n"+second)
		if err == nil && strings.Trim(rest, space) == "" && !slices.Equal(together[:1], alone) {
			t.Fatalf("%q is %q before %q, %q alone", first, together, second, alone)
		}
		if err != nil {
			return
		}
		if err := m.Validate(); err != nil {
			t.Fatalf("Decode(%q) lets pass what Validate rejects: %v", first, err)
		}
		written := m.AppendJSON(nil)
		again, n, err := Next(string(written) + "\n" + second)
		if err != nil || !again.Time.Equal(m.Time) ||
			again.Value != m.Value || again.Color != m.Color || again.Name != m.Name {
			t.Fatalf("%q is written as %s and read as %+v, %v", first, written, again, err)
		}
		if after := strings.TrimLeft(second, space); n != len(written)+1+len(second)-len(after) {
			t.Fatalf("%s before %q takes %d bytes", written, second, n)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	run := func(name, payload string, messages int) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for rest := payload; rest != ""; {
					_, n, err := Next(rest)
					if err != nil {
						b.Fatal(err)
					}
					rest = rest[n:]
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*messages), "ns/message")
		})
	}
	run("one", `{"color":"red","name":"value_name","value":42}`, 1)
	run("32", strings.Repeat(`{"color":"red","name":"value_name","value":42}`+"\n", 32), 32)
	run("32 decimal and time", strings.Repeat(
		`{"color":"red","name":"value_name","value":42.125,"ts":1760000000000}`+"\n", 32), 32)
	run("32 strict", strings.Repeat(`{"color": "red", "value": 42}`+"\n", 32), 32)
}
