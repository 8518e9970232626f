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

// factorName is the column of messages that says how many messages each one stands for. Charts do
// not draw it.
const factorName = "sampling"

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
		times[i] = time.Unix(0, row.At).UTC()
	}
	f := data.NewFrame("", data.NewField("Time", nil, times))
	f.Meta = &data.FrameMeta{
		Type:        data.FrameTypeTimeSeriesWide,
		TypeVersion: data.FrameTypeVersion{0, 1},
	}
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
func Messages(rows []live.Row, columns []string) *data.Frame {
	var kept []live.Row
	factors := []float64{}
	for _, row := range rows {
		if slices.Contains(columns, row.Stats[0].Color) {
			row.At -= row.At % int64(time.Millisecond)
			kept, factors = append(kept, row), append(factors, row.Factor)
		}
	}
	f := wide(kept, columns, func(s *window.Stats) float64 { return s.Sum })
	factor := data.NewField(factorName, nil, factors)
	factor.Config = &data.FieldConfig{
		Description: "how many messages this one stands for; 1 while all are shown",
		Custom: map[string]any{"hideFrom": map[string]bool{
			"viz": true, "legend": true,
			"tooltip": false,
		}},
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
