// Package frame makes Grafana's data frames of rows: wide ones, with the time first and then one
// series for each colour, named by it. A colour that has no value at an instant has null there. The
// same columns make the same schema, whatever the rows.
package frame

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-plugin-sdk-go/data"

	"colorstream/grafana/plugin/live"
	"colorstream/influxdb/series"
	"colorstream/worker/window"
)

const (
	timeName = "Time"
	// FactorName is the column of messages that says how many messages each one stands for. Charts do
	// not draw it.
	FactorName = "sampling"
)

// Windows makes a frame of a statistic. The list says what the rows have; one that is not in it is
// null in all of them.
func Windows(
	rows []live.Row, list series.Statistics, statistic series.Statistic, columns []string,
) *data.Frame {
	i := slices.Index(list, statistic)
	switch {
	case statistic == series.Count:
		return Rates(rows, columns)
	case i < 0:
		return wide(nil, columns, nil)
	}
	return wide(rows, columns, func(s *window.Stats) float64 { return s.Values[i] })
}

// Rates makes a frame of messages a second.
func Rates(rows []live.Row, columns []string) *data.Frame {
	return wide(rows, columns, func(s *window.Stats) float64 { return float64(s.Count) })
}

func wide(rows []live.Row, columns []string, value func(*window.Stats) float64) *data.Frame {
	times := make([]time.Time, len(rows))
	for i, row := range rows {
		times[i] = instant(row.At)
	}
	f := start(times)
	for _, color := range columns {
		values := make([]*float64, len(rows))
		for i, row := range rows {
			at, found := slices.BinarySearchFunc(row.Stats, color, func(s window.Stats, color string) int {
				return strings.Compare(s.Color, color)
			})
			if found {
				if v := value(&row.Stats[at]); !math.IsNaN(v) {
					values[i] = &v
				}
			}
		}
		f.Fields = append(f.Fields, data.NewField(color, nil, values))
	}
	return f
}

// Messages makes a frame of single messages: a row has a value in the column of its colour only,
// and the factor. Messages of colours without a column are left out.
func Messages(samples []live.Sample, columns []string) *data.Frame {
	column := make(map[string]int, len(columns))
	for i, color := range columns {
		column[color] = i
	}
	kept := make([]live.Sample, 0, len(samples))
	for _, s := range samples {
		if _, ok := column[s.Color]; ok {
			kept = append(kept, s)
		}
	}
	times := make([]time.Time, len(kept))
	factors := make([]float64, len(kept))
	values := make([][]*float64, len(columns))
	for i := range values {
		values[i] = make([]*float64, len(kept))
	}
	for i := range kept {
		times[i] = instant(kept[i].At).Truncate(time.Millisecond)
		factors[i] = kept[i].Factor
		values[column[kept[i].Color]][i] = &kept[i].Value
	}
	f := start(times)
	for i, color := range columns {
		f.Fields = append(f.Fields, data.NewField(color, nil, values[i]))
	}
	factor := data.NewField(FactorName, nil, factors)
	factor.Config = &data.FieldConfig{
		Description: "how many messages this one stands for; 1 while all are shown",
		Custom:      map[string]any{"hideFrom": map[string]bool{"viz": true, "legend": true, "tooltip": false}},
	}
	f.Fields = append(f.Fields, factor)
	return f
}

// Labelled gives each series its colour as the label color too, by which alert rules and
// expressions tell them apart. Charts go on to show the name alone.
func Labelled(f *data.Frame) *data.Frame {
	for _, field := range f.Fields[1:] {
		if field.Type() == data.FieldTypeNullableFloat64 {
			field.Labels = data.Labels{"color": field.Name}
			field.Config = &data.FieldConfig{DisplayNameFromDS: field.Name}
		}
	}
	return f
}

func start(times []time.Time) *data.Frame {
	f := data.NewFrame("", data.NewField(timeName, nil, times))
	f.Meta = &data.FrameMeta{Type: data.FrameTypeTimeSeriesWide, TypeVersion: data.FrameTypeVersion{0, 1}}
	return f
}

func instant(at int64) time.Time { return time.Unix(0, at).UTC() }
