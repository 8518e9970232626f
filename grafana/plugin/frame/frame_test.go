package frame

import (
	"flag"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/live"
	"colorstream/worker/window"
)

var update = flag.Bool("update", false, "write the golden files anew")

var at = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

var rows = []live.Row{
	{At: at, Stats: []window.Stats{{Color: "red", Mean: 2.5, Median: 2, Min: 1, Max: 5, Count: 4}}},
	{At: at + 250e6},
	{At: at + 500e6, Stats: []window.Stats{
		{Color: "blue", Mean: 0.1, Median: -0.2, Min: -1e300, Max: 1e300, Count: 2},
		{Color: "red", Mean: 3, Median: 3, Min: 3, Max: 3, Count: 1},
		{Color: "unasked", Mean: 9, Median: 9, Min: 9, Max: 9, Count: 9},
	}},
}

var samples = []live.Sample{
	{At: at + 1_234_567, Color: "red", Value: 42, Factor: 1},
	{At: at + 2e6, Color: "blue", Value: -1.5, Factor: 12.4},
	{At: at + 2e6, Color: "unasked", Value: 7, Factor: 12.4},
	{At: at + 3e6, Color: "red", Value: 43, Factor: 12.4},
}

func TestFramesAreAsTheyWere(t *testing.T) {
	t.Parallel()
	columns := []string{"red", "blue", "green: none yet"}
	frames := map[string]*data.Frame{
		"messages": Messages(samples, columns),
		"rates":    Rates(rows, columns),
		"empty":    Windows(nil, channel.Mean, columns),
		"nothing":  Messages(nil, nil),
		"labelled": Labelled(Messages(samples, columns)),
	}
	for _, s := range []channel.Statistic{channel.Mean, channel.Median, channel.Min, channel.Max, channel.Count} {
		frames[string(s)] = Windows(rows, s, columns)
	}
	for name, f := range frames {
		experimental.CheckGoldenJSONFrame(t, "testdata", name, f, *update)
	}
}

func schema(t *testing.T, f *data.Frame) string {
	t.Helper()
	raw, err := data.FrameToJSON(f, data.IncludeSchemaOnly)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestTheSchemaDependsOnTheColumnsAlone(t *testing.T) {
	t.Parallel()
	columns := []string{"red", "blue"}
	if diff := cmp.Diff(schema(t, Windows(nil, channel.Mean, columns)), schema(t, Windows(rows, channel.Max, columns))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(schema(t, Messages(nil, columns)), schema(t, Messages(samples, columns))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(schema(t, Rates(nil, columns)), schema(t, Rates(rows, columns))); diff != "" {
		t.Error(diff)
	}
}

// What a panel with four colours costs at each of its four frames a second.
func BenchmarkFrame(b *testing.B) {
	one := rows[2:]
	columns := []string{"red", "blue", "green", "yellow"}
	for b.Loop() {
		if _, err := data.FrameToJSON(Windows(one, channel.Mean, columns), data.IncludeAll); err != nil {
			b.Fatal(err)
		}
	}
}
