package deadletter

import (
	"bytes"
	"fmt"
	"slices"
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
	const want = `{"at":"2026-01-02T03:04:05.678Z","reason":"color","payload":"eyJ2YWx1ZSI6MX0="}` + "\n"
	if got := string(l.Append(nil)); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	l = Letter{Payload: strings.Repeat("é", MaxPayload), At: at}
	if got := decodeAll(t, l.Append(nil))[0].Payload; got != l.Payload[:MaxPayload] {
		t.Errorf("a long payload comes back with %d bytes", len(got))
	}
}

// A line that is damaged costs its letter, and no other.
func TestDamage(t *testing.T) {
	var data []byte
	var want []Letter
	for i := range 3 {
		want = append(want, Letter{
			Reason: "json", Payload: fmt.Sprintf("line\n%d\t\\", i), At: at.Add(time.Duration(i)),
		})
		data = want[i].Append(data)
	}
	if diff := cmp.Diff(want, decodeAll(t, data)); diff != "" {
		t.Fatalf("intact (-want +got):\n%s", diff)
	}
	lines := bytes.SplitAfter(data, []byte("\n"))
	for _, bad := range []string{"\n", "{}}\n", `{"payload":1}` + "\n", "\xff\n"} {
		got, err := Decode(slices.Concat(lines[0], []byte(bad), lines[2]))
		if diff := cmp.Diff([]Letter{want[0], want[2]}, got); err == nil || diff != "" {
			t.Errorf("%q: %v (-want +got):\n%s", bad, err, diff)
		}
	}
	for n := range len(data) {
		got, err := Decode(data[:n])
		whole := bytes.Count(data[:n], []byte("\n"))
		if ended := n == 0 || data[n-1] == '\n'; len(got) != whole || (err == nil) != ended {
			t.Errorf("the first %d bytes: %d letters, want %d; %v", n, len(got), whole, err)
		}
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
		letters, err := Decode(data)
		var again []byte
		for _, l := range letters {
			if len(l.Payload) > MaxPayload {
				t.Skip("Append would cut it")
			}
			again = l.Append(again)
		}
		if err == nil && len(letters) != bytes.Count(data, []byte("\n")) {
			t.Errorf("%d letters of %q", len(letters), data)
		}
		if diff := cmp.Diff(letters, decodeAll(t, again)); diff != "" && len(letters) > 0 {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
