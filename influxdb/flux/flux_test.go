package flux_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxtest"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

// Every kind of value, null, several kinds of table in one answer.
func TestRun(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	client := flux.Client{URL: db.URL, Org: db.Org, Token: db.GrafanaToken}
	got, err := client.Run(t.Context(), `
import "array"
import "internal/debug"
array.from(rows: [{_time: 2026-01-02T03:04:05.6Z, _value: 1.5, color: "a,\"b"},
	{_time: 2026-01-02T03:04:06Z, _value: 2.0, color: "c"}])
  |> group(columns: ["color"]) |> yield(name: "floats")
array.from(rows: [{i: -3, b: true, s: "", u: uint(v: 4)}, {i: 5, b: false, s: "x", u: uint(v: 6)}])
  |> yield(name: "others")
array.from(rows: [{x: 1}]) |> map(fn: (r) => ({x: r.x, none: debug.null(type: "int")})) |> yield(name: "nulls")
`)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 600_000_000, time.UTC)
	want := []flux.Table{
		{
			{"i": int64(-3), "b": true, "s": nil, "u": uint64(4)},
			{"i": int64(5), "b": false, "s": "x", "u": uint64(6)},
		},
		{{"color": `a,"b`, "_time": at, "_value": 1.5}},
		{{"color": "c", "_time": at.Add(400 * time.Millisecond), "_value": 2.0}},
		{{"x": int64(1), "none": nil}},
	}
	// The order of the results varies.
	slices.SortStableFunc(got, func(a, b flux.Table) int { return len(b[0]) - len(a[0]) })
	if diff := cmp.Diff(want, got); diff != "" {
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
		`from(bucket: "none") |> range(start: -1h)`: "could not find bucket",
		`import "array"
		array.from(rows: [{x: 1}]) |> map(fn: (r) => ({x: 1 / (r.x - 1)}))`: "divide by zero",
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
	// A query that fails while rows are read, when the status was sent already.
	late := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "#datatype,string,long,long\r\n,result,table,x\r\n,,0,1\r\n\r\n"+
			"#datatype,string,string\r\n,error,reference\r\n,on purpose,897\r\n")
	}))
	defer late.Close()
	client.URL = late.URL
	if _, err := client.Run(t.Context(), "late()"); err == nil ||
		!strings.Contains(err.Error(), "on purpose,897") {
		t.Errorf("a late error: %v", err)
	}
}
