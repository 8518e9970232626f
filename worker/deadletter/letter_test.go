package deadletter

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var at = time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC)

func decodeAll(t *testing.T, data []byte) []Letter {
	t.Helper()
	letters, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

func TestFormat(t *testing.T) {
	l := Letter{Reason: "color", Payload: `{"value":1}`, At: at}
	const want = `{"at":"2026-01-02T03:04:05.678Z","reason":"color","payload":"eyJ2YWx1ZSI6MX0="}` +
		"\n"
	if got := string(l.Append(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	l = Letter{Payload: strings.Repeat("é", MaxPayload), At: at}
	if got := decodeAll(t, l.Append(nil))[0].Payload; got != l.Payload[:MaxPayload] {
		t.Errorf("a long payload comes back with %d bytes", len(got))
	}
}

func FuzzRoundTrip(f *testing.F) {
	f.Add("color", "{\"a\":\n1}", "\\t\\\\n\xff\x00\r\n", int64(1))
	f.Fuzz(func(t *testing.T, reason, one, two string, ns int64) {
		reason = strings.ToValidUTF8(reason, "?")
		want := []Letter{
			{reason, one[:min(len(one), MaxPayload)], time.Unix(0, ns).UTC()},
			{reason, two[:min(len(two), MaxPayload)], time.Unix(0, 0).UTC()},
		}
		data := want[1].Append(want[0].Append(nil))
		if diff := cmp.Diff(want, decodeAll(t, data)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if n := bytes.Count(data, []byte("\n")); n != 2 {
			t.Errorf("two letters have %d line breaks", n)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(Letter{Reason: "json", Payload: "x", At: at}.Append(nil))
	f.Add([]byte("{}\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		letters, _ := Decode(data)
		var again []byte
		for _, l := range letters {
			if len(l.Payload) > MaxPayload {
				t.Skip("Append would cut it")
			}
			again = l.Append(again)
		}
		if diff := cmp.Diff(letters, decodeAll(t, again)); diff != "" && len(letters) > 0 {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
