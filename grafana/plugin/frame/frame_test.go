package frame

import (
	"flag"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-plugin-sdk-go/data"
	"github.com/grafana/grafana-plugin-sdk-go/experimental"

	"colorstream/grafana/plugin/live"
	"colorstream/influxdb/series"
	"colorstream/worker/window"
)

var update = flag.Bool("update", false, "write the golden files anew")

var list = series.DefaultStatistics()

var at = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).UnixNano()

var rows = []live.Row{
	{At: at, Stats: []window.Stats{{Color: "red", Values: []float64{2.5, 2, 1, 5}, Count: 4}}},
	{At: at + 250e6},
	{At: at + 500e6, Stats: []window.Stats{
		{Color: "blue", Values: []float64{0.1, -0.2, -1e300, 1e300}, Count: 2},
		{Color: "red", Values: []float64{3, 3, 3, 3}, Count: 1},
		{Color: "unasked", Values: []float64{9, 9, 9, 9}, Count: 9},
	}},
}

var samples = []live.Row{
	sample(1_234_567, "red", 42, 1), sample(2e6, "blue", -1.5, 12.4),
	sample(2e6, "unasked", 7, 12.4), sample(3e6, "red", 43, 12.4),
}

func sample(after int64, color string, value, factor float64) live.Row {
	return live.Row{
		At: at + after, Stats: []window.Stats{{Color: color, Sum: value, Count: 1}},
		Factor: factor,
	}
}

func TestFramesAreAsTheyWere(t *testing.T) {
	t.Parallel()
	columns := []string{"red", "blue", "green: none yet"}
	frames := map[string]*data.Frame{
		"messages": Messages(samples, columns),
		"rates":    Rates(rows, columns),
		"empty":    Windows(nil, list, series.Mean, columns),
		"nothing":  Messages(nil, nil),
		"labelled": Labelled(Messages(samples, columns)),
	}
	for _, s := range append(list, series.Count) {
		frames[string(s)] = Windows(rows, list, s, columns)
	}
	for name, f := range frames {
		experimental.CheckGoldenJSONFrame(t, "testdata", name, f, *update)
	}
}

// A statistic that is not computed, or that a window has not, is null: no error, and no zero.
func TestWhatIsNotThereIsNull(t *testing.T) {
	t.Parallel()
	few := series.Statistics{"p99.9", series.StdDev}
	rows := []live.Row{{At: at, Stats: []window.Stats{{
		Color: "red", Values: []float64{5, math.NaN()},
		Count: 1,
	}}}}
	for name, want := range map[series.Statistic]string{
		"p99.9": "[[1767268800000],[5]]", "stddev": "[[1767268800000],[null]]", "median": "[[],[]]",
	} {
		raw, err := data.FrameToJSON(Windows(rows, few, name, []string{"red"}), data.IncludeDataOnly)
		if err != nil || !strings.Contains(string(raw), want) {
			t.Errorf("%s: %s, %v, want %s", name, raw, err, want)
		}
	}
}

func TestTheSchemaDependsOnTheColumnsAlone(t *testing.T) {
	t.Parallel()
	columns := []string{"red", "blue"}
	same := func(frames ...*data.Frame) {
		t.Helper()
		var schemas []string
		for _, f := range frames {
			raw, err := data.FrameToJSON(f, data.IncludeSchemaOnly)
			if err != nil {
				t.Fatal(err)
			}
			schemas = append(schemas, string(raw))
		}
		if diff := cmp.Diff(schemas[0], schemas[1]); diff != "" {
			t.Error(diff)
		}
	}
	same(Windows(nil, list, series.Mean, columns), Windows(rows, list, series.Max, columns))
	same(Messages(nil, columns), Messages(samples, columns))
	same(Rates(nil, columns), Rates(rows, columns))
}
