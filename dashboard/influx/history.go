package influx

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"colorstream/influxdb/series"
)

// A Line is one colour's values over time, in order.
type Line struct {
	Color  string
	Values []Value
}

// A Value is one statistic at one time.
type Value struct {
	Time  time.Time
	Value float64
}

// aggregates says how several windows of a statistic become one: the smallest of the minima, the largest of the
// maxima. The mean of means and of medians is only good to look at; nothing else is made of it.
var aggregates = map[string]string{series.Mean: "mean", series.Median: "mean", series.Min: "min", series.Max: "max"}

// History returns one statistic of every colour in [from, to), by colour, with one value for each step that has
// any. The times are the steps' starts, multiples of step.
func (r *Reader) History(ctx context.Context, statistic string, from, to time.Time, step time.Duration) ([]Line, error) {
	aggregate, ok := aggregates[statistic]
	if !ok {
		return nil, fmt.Errorf("there is no statistic %q", statistic)
	}
	flux := r.from(from, to) + fmt.Sprintf(`
  |> filter(fn: (r) => r._field == %q)
  |> aggregateWindow(every: %dns, fn: %s, createEmpty: false, timeSrc: "_start")
  |> keep(columns: ["_time", "_value", "color"])`, statistic, step.Nanoseconds(), aggregate)
	lines := make(map[string]*Line)
	err := r.rows(ctx, flux, func(record *query.FluxRecord) {
		value, ok := record.Value().(float64)
		if !ok {
			return // not the worker's
		}
		color, _ := record.ValueByKey(series.Color).(string)
		if lines[color] == nil {
			lines[color] = &Line{Color: color}
		}
		lines[color].Values = append(lines[color].Values, Value{record.Time().UTC(), value})
	})
	if err != nil {
		return nil, fmt.Errorf("read the history of %s: %w", statistic, err)
	}
	list := make([]Line, 0, len(lines))
	for _, line := range lines {
		slices.SortFunc(line.Values, func(a, b Value) int { return a.Time.Compare(b.Time) })
		list = append(list, *line)
	}
	slices.SortFunc(list, func(a, b Line) int { return strings.Compare(a.Color, b.Color) })
	return list, nil
}
