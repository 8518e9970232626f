package flux_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxtest"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

// Every kind of value, null, several kinds of table in one answer, errors.
func TestRun(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	client := flux.Client{URL: db.URL, Org: db.Org, Token: db.GrafanaToken}
	got, err := client.Run(t.Context(), `
import "array"
import "internal/debug"
array.from(rows: [{_time: 2026-01-02T03:04:05.6Z, _value: 1.5, color: "a,\"b"}, {_time: 2026-01-02T03:04:06Z, _value: 2.0, color: "c"}])
  |> group(columns: ["color"]) |> yield(name: "floats")
array.from(rows: [{i: -3, b: true, s: ""}]) |> yield(name: "others")
array.from(rows: [{x: 1}]) |> map(fn: (r) => ({x: r.x, none: debug.null(type: "int")})) |> yield(name: "nulls")
`)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	want := []map[string]any{
		{"color": `a,"b`, "_time": at, "_value": 1.5},
		{"color": "c", "_time": at.Add(400 * time.Millisecond), "_value": 2.0},
		{"i": int64(-3), "b": true, "s": ""},
		{"x": int64(1), "none": nil},
	}
	var rows []map[string]any
	for _, table := range got {
		for _, values := range table.Rows {
			row := map[string]any{}
			for name, value := range table.Key {
				row[name] = value
			}
			for i, name := range table.Columns {
				row[name] = values[i]
			}
			rows = append(rows, row)
		}
		if values, ok := table.Series(); ok &&
			(len(values) != 1 || table.Name() != `a,"b` && table.Name() != "c") {
			t.Errorf("series %q: %v", table.Name(), values)
		}
	}
	byText := func(a, b map[string]any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) }
	slices.SortFunc(want, byText)
	slices.SortFunc(rows, byText)
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

// Errors are in InfluxDB's words.
func TestErrors(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	client := flux.Client{URL: db.URL, Org: db.Org, Token: db.GrafanaToken}
	for flux, want := range map[string]string{
		"from(bucke: 1)": "unexpected argument bucke",
		`from(bucket: "none") |> range(start: -1h)`:                                         "could not find bucket",
		`import "array" array.from(rows: [{x: 1}]) |> map(fn: (r) => ({x: 1 / (r.x - 1)}))`: "divi",
	} {
		if tables, err := client.Run(t.Context(), flux); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v, want %q", flux, tables, err, want)
		}
	}
	client.Token = "wrong"
	if _, err := client.Run(t.Context(), "buckets()"); err == nil ||
		!strings.Contains(err.Error(), "unauthorized") {
		t.Errorf("a wrong token: %v", err)
	}
}
