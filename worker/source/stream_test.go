package source

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/redistest"
)

// A reading is a stream that is read.
type reading struct {
	*recorder
	client *redis.Client
	lost   atomic.Int64
	stop   func() error
}

func read(t *testing.T, client *redis.Client, after Position, due func() (int64, bool)) *reading {
	t.Helper()
	r := &reading{recorder: newRecorder(t), client: client}
	s := NewStream(testLog(t), client, "colors", after, due, func(n float64) { r.lost.Add(int64(n)) })
	r.stop = start(t, func(ctx context.Context) error { return s.Run(ctx, r) })
	return r
}

func add(t *testing.T, client *redis.Client, from, to int) (ids []string) {
	t.Helper()
	cmds, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := from; i < to; i++ {
			p.XAdd(t.Context(), &redis.XAddArgs{Stream: "colors", Values: []any{"m", fmt.Sprint(i)}})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cmds {
		ids = append(ids, c.(*redis.StringCmd).Val())
	}
	return ids
}

func (r *reading) want(from, to int) {
	r.t.Helper()
	var want []string
	for i := from; i < to; i++ {
		want = append(want, fmt.Sprint(i))
	}
	r.waitCount(len(want))
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Equal(r.payloads, want) {
		r.t.Errorf("%d messages, want %d, each once and in order", len(r.payloads), len(want))
	}
}

// TestStream reads in order, each entry at its id's time, and goes on from a position.
func TestStream(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	ids := add(t, client, 0, 5000)
	r := read(t, client, Position{}, nil)
	ids = append(ids, add(t, client, 5000, 6000)...)
	r.want(0, 6000)
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	for i, at := range r.times {
		if want := Milliseconds(ids[i]) * int64(time.Millisecond); at != want {
			t.Fatalf("entry %s has the time %d", ids[i], at)
		}
	}
	if r.position != (Position{ids[5999], 6000}) {
		t.Errorf("position %v, want %s and 6000 entries", r.position, ids[5999])
	}
	again := read(t, client, r.position, nil)
	add(t, client, 6000, 6100)
	again.want(6000, 6100)
	if len(r.gaps)+len(again.gaps) > 0 {
		t.Errorf("gaps %v %v", r.gaps, again.gaps)
	}
}

// TestDeleted counts what others trim or delete before it is read, and tells of a gap; what was
// read before it is deleted is none.
func TestDeleted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		act  func(*redis.Client, []string) error
		lost int64
		gap  bool
	}{
		{"nothing", func(*redis.Client, []string) error { return nil }, 0, false},
		{"trimmed what was read", func(c *redis.Client, ids []string) error {
			return c.XTrimMinID(t.Context(), "colors", ids[100]).Err()
		}, 0, false},
		{"trimmed unread", func(c *redis.Client, ids []string) error {
			return c.XTrimMinID(t.Context(), "colors", ids[150]).Err()
		}, 50, true},
		{"trimmed all", func(c *redis.Client, _ []string) error {
			return c.XTrimMaxLen(t.Context(), "colors", 0).Err()
		}, 100, true},
		{"deleted what was read", func(c *redis.Client, ids []string) error {
			return c.XDel(t.Context(), "colors", ids[50]).Err()
		}, 0, false},
		{"deleted unread", func(c *redis.Client, ids []string) error {
			return c.XDel(t.Context(), "colors", ids[150], ids[160]).Err()
		}, 2, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := redistest.Start(t).Client()
			ids := add(t, client, 0, 100)
			first := read(t, client, Position{}, nil)
			first.want(0, 100)
			if err := first.stop(); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, add(t, client, 100, 200)...)
			if err := c.act(client, ids); err != nil {
				t.Fatal(err)
			}
			add(t, client, 200, 201)
			r := read(t, client, first.position, nil)
			r.wait("the last entry", func() bool {
				return len(r.payloads) > 0 &&
					r.payloads[len(r.payloads)-1] == "200"
			})
			r.wait("the loss is counted", func() bool { return r.lost.Load() >= c.lost })
			r.mu.Lock()
			defer r.mu.Unlock()
			if n := r.lost.Load(); n != c.lost || len(r.payloads) != int(101-c.lost) {
				t.Errorf("%d entries lost, %d read; want %d lost", n, len(r.payloads), c.lost)
			}
			if (len(r.gaps) > 0) != c.gap {
				t.Errorf("gaps %v", r.gaps)
			}
			for _, g := range r.gaps {
				if from := Milliseconds(ids[99]) * 1e6; g[0] > from+1e6 || g[1] < r.now {
					t.Errorf("gap %v, want it to be from %d to %d", g, from, r.now)
				}
			}
		})
	}
}

// TestStreamGone says that a stream ends before what was read, and reads on.
func TestStreamGone(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	add(t, client, 0, 100)
	r := read(t, client, Position{}, nil)
	r.want(0, 100)
	if err := client.Del(t.Context(), "colors").Err(); err != nil {
		t.Fatal(err)
	}
	add(t, client, 100, 110)
	r.want(0, 110)
	r.wait("a gap", func() bool { return len(r.gaps) > 0 })
}

// TestTick appends ticks when somebody waits for time to pass, and no more than are needed.
func TestTick(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	add(t, client, 0, 1)
	due := time.Now().Add(500 * time.Millisecond).UnixNano()
	var rec *reading
	rec = read(t, client, Position{}, func() (int64, bool) { return due, rec != nil && rec.now < due })
	rec.wait("time passes", func() bool { return rec.now >= due })
	time.Sleep(300 * time.Millisecond)
	if err := rec.stop(); err != nil {
		t.Error(err)
	}
	if n := client.XLen(t.Context(), "colors").Val(); n < 2 || n > 4 {
		t.Errorf("%d entries, want one and a tick", n)
	}
	if len(rec.payloads) != 1 || len(rec.rejected) != 0 {
		t.Errorf("payloads %v, rejected %v", rec.payloads, rec.rejected)
	}
}

// TestStreamEnds ends with Redis's answer when that is no.
func TestStreamEnds(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	client := server.Client()
	if err := client.Set(t.Context(), "colors", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s := NewStream(testLog(t), client, "colors", Position{}, nil, func(float64) {})
	if err := s.Run(t.Context(), newRecorder(t)); err == nil ||
		!strings.Contains(err.Error(), "WRONGTYPE") {
		t.Errorf("error %v", err)
	}
	server.Kill()
	s = NewStream(testLog(t), client, "colors", Position{}, nil, func(float64) {})
	if err := s.Run(t.Context(), newRecorder(t)); err == nil {
		t.Error("no error without Redis")
	}
}

// TestReplay reads again from an instant up to a position, in pages.
func TestReplay(t *testing.T) {
	t.Parallel()
	client := redistest.Start(t).Client()
	var ids []string
	for i := range 4 {
		ids = append(ids, add(t, client, 1000*i, 1000*(i+1))...)
		time.Sleep(2 * time.Millisecond)
	}
	from := Milliseconds(ids[1000])
	var got []string
	err := Replay(t.Context(), client, "colors", from*1e6, Position{ID: ids[3500]},
		func(at int64, payload string) {
			if at < from*1e6 {
				t.Errorf("an entry of %d", at)
			}
			got = append(got, payload)
		})
	if err != nil {
		t.Fatal(err)
	}
	first := slices.IndexFunc(ids, func(id string) bool { return Milliseconds(id) >= from })
	if len(got) != 3501-first || got[0] != fmt.Sprint(first) || got[len(got)-1] != "3500" {
		t.Errorf("%d entries from %s to %s, want %d", len(got), got[0], got[len(got)-1], 3501-first)
	}
	if err := Replay(t.Context(), client, "colors", 0, Position{}, nil); err != nil {
		t.Error(err)
	}
}

func TestContent(t *testing.T) {
	for _, c := range []struct {
		fields map[string]any
		kind   kind
		text   string
	}{
		{map[string]any{"m": `{"a":1}`}, payload, `{"a":1}`},
		{map[string]any{"n": "run:1", "m": "x"}, payload, "x"},
		{map[string]any{"t": "1"}, tick, ""},
		{map[string]any{"color": "red", "value": "42"}, payload, `{"color":"red","value":42}`},
		{
			map[string]any{
				"value": "-4.5e3", "color": `a"b\`, "name": "n", "ts": "1738573200000",
				"other": "x",
			},
			payload,
			`{"color":"a\"b\\","value":-4.5e3,"name":"n","ts":1738573200000}`,
		},
		{
			map[string]any{"color": "red", "value": "abc", "ts": "2025-02-03T09:00:00Z"},
			payload,
			`{"color":"red","value":"abc","ts":"2025-02-03T09:00:00Z"}`,
		},
		{map[string]any{"color": "red", "value": "NaN"}, payload, `{"color":"red","value":"NaN"}`},
		{map[string]any{"color": "red", "value": "01"}, payload, `{"color":"red","value":"01"}`},
		{map[string]any{"color": "red", "value": "1e999"}, payload, `{"color":"red","value":1e999}`},
		{map[string]any{"data": ` {"color":"rust","value":45}`}, payload, ` {"color":"rust","value":45}`},
		{map[string]any{"data": `[1]`}, rejected, `data="[1]"`},
		{map[string]any{"foo": "bar", "x": "y"}, rejected, `foo="bar" x="y"`},
		{map[string]any{"color": "red"}, rejected, `color="red"`},
	} {
		if kind, text := content(c.fields); kind != c.kind || text != c.text {
			t.Errorf("%v: %v %q, want %v %q", c.fields, kind, text, c.kind, c.text)
		}
	}
}

// FuzzPlainMessage: whatever an entry's fields hold, the message made of them is JSON, or not
// UTF-8.
func FuzzPlainMessage(f *testing.F) {
	f.Add("red", "42", "n", "1738573200000")
	f.Add("a\"b\\\x00", "-0.5e-7", "\xff", "2025")
	f.Add("", "", "", "")
	f.Add("x", "-", "1.", "0.0.1")
	f.Fuzz(func(t *testing.T, color, value, name, ts string) {
		kind, text := content(map[string]any{"color": color, "value": value, "name": name, "ts": ts})
		if kind != payload || !json.Valid([]byte(text)) {
			t.Errorf("%q is not JSON", text)
		}
	})
}
