package main

import (
	"bytes"
	"encoding/csv"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"

	"colorstream/generator/message"
	"colorstream/generator/redistest"
)

func TestReplayDiamonds(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/diamonds-1000.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var want []message.Message
	for _, row := range rows[1:] {
		price, err := strconv.ParseFloat(row[6], 64)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, message.Message{Color: row[2], Name: row[1], Value: price})
	}
	server := redistest.Start(t)
	client := server.Client()
	received := listen(t, client)
	replay := func(status int, variables ...string) {
		t.Helper()
		p := begin(t, nil, []string{"replay", f.Name()},
			append(variables, "REDIS_URL="+server.URL(), "GENERATOR_PACE=max",
				"GENERATOR_INPUT_VALUE=price", "GENERATOR_INPUT_NAME=cut")...)
		p.wantStatus(t, status)
		if sums := p.sums(t); sums["read"] != 1000 || sums["published"] != 1000 {
			t.Errorf("%v", sums)
		}
	}
	replay(0)
	if diff := cmp.Diff(want, receive(t, received, 1000)); diff != "" {
		t.Errorf("Pub/Sub: -want +got\n%s", diff)
	}
	replay(3, "REDIS_TRANSPORT=stream") // no worker has taken them
	entries, err := client.XRange(t.Context(), "colors", "-", "+").Result()
	if err != nil {
		t.Fatal(err)
	}
	var got []message.Message
	for _, entry := range entries {
		got = append(got, split(t, entry.Values["m"].(string))...)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream: -want +got\n%s", diff)
	}
}

func TestBadLines(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	rows := "color,value,ts\nred,1,1760000000\nred,x,\nblue\nred,2,\n" + strings.Repeat(",1,\n", 9)
	p := begin(t, strings.NewReader(rows), []string{"replay", "-"},
		"REDIS_URL=redis://"+m.Addr(), "GENERATOR_PACE=max")
	p.wantStatus(t, 3)
	if sums := p.sums(t); sums["read"] != 13 ||
		sums["published"] != 2 || sums["no_subscribers"] != 2 || sums["rejected"] != 11 {
		t.Errorf("%v", sums)
	}
	for _, words := range []string{
		"color_empty 9, ", `rejected line 3: value "x" is not a number` + "\n",
		"rejected line 4: has 1 cells instead of 3\n", "rejected line 8: color is empty\n",
	} {
		if p.stdout.Count(words) == 0 {
			t.Errorf("the tally does not say %q", words)
		}
	}
	if p.stdout.Count("rejected line ") != 5 {
		t.Error("it does not list five lines")
	}
}

func TestNothingToPublish(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	fails := func(stdin, words string, variables ...string) {
		t.Helper()
		p := begin(t, strings.NewReader(stdin), []string{"replay", "-"},
			append(variables, "REDIS_URL=redis://"+m.Addr(), "GENERATOR_PACE=max")...)
		if err := p.wait(t); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v, want %q", stdin, err, words)
		}
	}
	fails("color,value\n", "nothing was published: standard input holds no messages")
	fails("color,value\nred,x\nred,y\n", "nothing was published: all 2 lines of standard input "+
		`were rejected, the first: line 2: value "x" is not a number`)
	fails("", "is empty")
	fails("colour,value\n", "GENERATOR_INPUT_COLOR to one of")
	// What came before is published.
	fails("color,value\nred,1\n\"", "line 3: a quotation mark is never closed")
	fails("{}\n", `there is no field "color"`, "GENERATOR_INPUT_FORMAT=jsonl")
	p := begin(t, nil, []string{"replay", "no/such.csv"}, "REDIS_URL=redis://"+m.Addr())
	if err := p.wait(t); err == nil ||
		!strings.Contains(err.Error(), "GENERATOR_INPUT: open no/such.csv") {
		t.Errorf("%v", err)
	}
}

// A file out of order is published in the order of its times, and the log says so.
func TestReplaySortsAFile(t *testing.T) {
	t.Parallel()
	url, received := embedded(t)
	const name = "source/testdata/files/f3-one-row-out.csv"
	p := begin(t, nil, []string{"replay", name}, url, "GENERATOR_PACE=max")
	if err := p.wait(t); err != nil {
		t.Fatal(err)
	}
	var values []float64
	for _, m := range receive(t, received, 5) {
		values = append(values, m.Value)
	}
	if diff := cmp.Diff([]float64{1, 2, 9, 10, 20}, values); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	const disorder = "line 5: time 2025-02-03T09:00:04Z is before 2025-02-03T09:00:20Z of line 4"
	const said = "times are such as 2025-02-03T09:00:01Z, " +
		"2025-02-03T09:00:01Z to 2025-02-03T09:00:21Z; not in order (" + disorder + "): sorted by time"
	if p.stderr.Count(said) != 1 {
		t.Errorf("the log does not say once: %s", said)
	}

	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	allowed := begin(t, bytes.NewReader(text), []string{"replay", "-"}, url,
		"GENERATOR_PACE=max", "GENERATOR_INPUT_DISORDER=16s")
	if err := allowed.wait(t); err != nil {
		t.Errorf("standard input with disorder: %v", err)
	}
}

// Rows are published as they come, not when the input ends; and a silent input can be stopped.
func TestLiveInput(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string][]string{
		"CSV": {
			"# a logger\ncolor;value;ts\nred;0,5;2025-02-03 09:00:00\n",
			"red;1,5;2025-02-03 09:00:01\n", "red;2,5;2025-02-03 09:00:02\n",
		},
		"JSON": {
			`{"color":"red","value":0.5,"ts":"2025-02-03T09:00:00Z"}` + "\n",
			`{"color":"red","value":1.5,"ts":"2025-02-03T09:00:01Z"}` + "\n",
			`{"color":"red","value":2.5,"ts":"2025-02-03T09:00:02Z"}` + "\n",
		},
	} {
		for _, stopped := range []bool{false, true} {
			url, received := embedded(t)
			stdin, writer := io.Pipe()
			defer writer.Close()
			p := begin(t, stdin, []string{"replay", "-"}, url, "GENERATOR_PACE=max")
			for i, row := range rows {
				if _, err := io.WriteString(writer, row); err != nil {
					t.Fatal(err)
				}
				got := receive(t, received, 1)[0]
				if got.Value != float64(i)+0.5 || got.Time.Second() != i {
					t.Errorf("%s: row %d gives %+v", name, i, got)
				}
			}
			if stopped {
				p.stop()
			} else {
				writer.Close()
			}
			if err := p.wait(t); err != nil {
				t.Errorf("%s, stopped %v: %v", name, stopped, err)
			}
			if sums := p.sums(t); sums["published"] != 3 {
				t.Errorf("%s, stopped %v: %v", name, stopped, sums)
			}
		}
	}
}
