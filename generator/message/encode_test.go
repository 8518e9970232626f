package message

import (
	"testing"
	"time"
)

// The examples are the format: what stands here is what other programs read and write.
func TestAppendJSON(t *testing.T) {
	want := func(m Message, payload string) {
		t.Helper()
		if got := string(m.AppendJSON([]byte("*"))); got != "*"+payload {
			t.Errorf("%+v is written %s, want %s", m, got, payload)
		}
	}
	at := time.UnixMilli(1760000000000)
	want(Message{Color: "red", Name: "value_name", Value: 42},
		`{"color":"red","name":"value_name","value":42}`)
	want(Message{Color: "red", Value: 42.5, Time: at},
		`{"color":"red","name":"","value":42.5,"ts":1760000000000}`)
	want(Message{Color: "red", Value: -1e-7, Time: at.Add(1)},
		`{"color":"red","name":"","value":-1e-07,"ts":"2025-10-09T08:53:20.000000001Z"}`)
	want(Message{Color: "bleu céleste", Name: "\"\\\n", Value: 1e21},
		`{"color":"bleu céleste","name":"\"\\\u000a","value":1e+21}`)
}
