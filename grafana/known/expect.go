package known

import (
	"maps"
	"slices"
	"time"

	"colorstream/influxdb/series"
)

// Answers tells what each query of the project's own dashboards and alerts must
// return, by its key (see package provision). Color is the colour chosen where
// a dashboard has that variable.
//
// Whoever changes such a query on purpose, says here what it now means.
func (o Oracle) Answers(color string) map[string]func() []Row {
	byColor := func(sumUp func([]series.Point) any, empty bool) func() []Row {
		return func() []Row {
			var out []Row
			for _, c := range Colors() {
				out = append(out, o.chart(c, sumUp, empty, Row{"color": c})...)
			}
			return out
		}
	}
	one := func(key Row, sumUp func([]series.Point) any, empty bool) func() []Row {
		return func() []Row { return o.chart(color, sumUp, empty, key) }
	}
	return map[string]func() []Row{
		"colors/1/A":  byColor(mean(meanOf), true),
		"colors/2/A":  byColor(mean(medianOf), true),
		"colors/3/A":  byColor(smallest, true),
		"colors/4/A":  byColor(largest, true),
		"colors/5/A":  o.newest,
		"colors/6/A":  func() []Row { return scalar(messages, o.in(all)) },
		"colors/7/A":  func() []Row { return scalar(count, slices.Collect(maps.Values(latest(o.in(all))))) },
		"colors/8/A":  func() []Row { return scalar(count, o.in(incomplete)) },
		"colors/9/A":  byColor(messages, false),
		"colors/10/A": o.table,
		"colors/11/A": o.lane,

		"color/2/A":                           one(Row{"_field": "min"}, smallest, true),
		"color/2/B":                           one(Row{"_field": "max"}, largest, true),
		"color/2/C":                           one(Row{"_field": "median"}, mean(medianOf), true),
		"color/2/D":                           one(Row{"_field": color + " mean"}, mean(meanOf), true),
		"color/3/A":                           one(Row{"color": color}, firstMean, false),
		"color/4/A":                           one(Row{"color": color}, messages, false),
		"color/variable/color":                names,
		"color/annotation/Incomplete windows": func() []Row { return o.marks(color) },

		"alert/colorstream-silent-color/lag":         o.lags,
		"alert/colorstream-no-windows/age":           o.age,
		"alert/colorstream-incomplete-windows/share": o.share,

		"pipeline/1/A": o.increase("colorstream_generator_published_total"),
		"pipeline/2/A": o.increase("colorstream_generator_unheard_total"),
		"pipeline/3/A": o.increase("colorstream_worker_received_total"),
		"pipeline/4/A": o.increase("colorstream_worker_counted_total"),
		"pipeline/5/A": o.increase("colorstream_worker_rejected_total"),
		"pipeline/6/A": o.increase("colorstream_worker_late_total"),
		"pipeline/7/A": o.lost,
		"pipeline/8/A": func() []Row { return scalar(messages, o.in(all)) },

		"pipeline/annotation/Starts":               o.starts,
		"pipeline/annotation/Windows not complete": o.broken,
		"pipeline/annotation/InfluxDB away":        o.away,

		"alert/colorstream-spool-growing/value":    o.growth,
		"alert/colorstream-quarantine/value":       o.quarantined,
		"alert/colorstream-not-subscribed/value":   o.subscribed,
		"alert/colorstream-unaccounted-loss/value": o.unaccounted,
		"alert/colorstream-disk-full/value":        o.room,
		"alert/colorstream-clock-skew/value":       o.ahead,
	}
}

func count(points []series.Point) any { return int64(len(points)) }

// scalar is one row with one value, or no row without points.
func scalar(sumUp func([]series.Point) any, points []series.Point) []Row {
	if len(points) == 0 {
		return nil
	}
	return []Row{{"_value": sumUp(points)}}
}

// latest returns each colour's last point.
func latest(points []series.Point) map[string]series.Point {
	out := map[string]series.Point{}
	for _, p := range points {
		out[p.Color] = p
	}
	return out
}

func (o Oracle) newest() []Row {
	points := o.in(all)
	if len(points) == 0 {
		return nil
	}
	at := points[len(points)-1].Start
	return []Row{{"_time": at, "_value": at.UnixMilli()}}
}

func (o Oracle) table() []Row {
	var out []Row
	for _, p := range latest(o.in(all)) {
		whole := 0.0
		if p.Complete {
			whole = 1
		}
		out = append(out, Row{
			"_time": p.Start, "color": p.Color, "mean": p.Mean, "median": p.Median, "min": p.Min, "max": p.Max,
			"count": float64(p.Count), "complete": whole,
		})
	}
	return out
}

// lane is zero from before the range on, then the number of incomplete windows
// in each step if there is any.
func (o Oracle) lane() []Row {
	out := []Row{{"_time": o.Start.Add(-time.Second), "_value": int64(0), "_field": "incomplete"}}
	points := o.in(incomplete)
	if len(points) == 0 {
		return out
	}
	for _, s := range o.steps(points) {
		out = append(out, Row{"_time": s.at, "_value": int64(len(s.points)), "_field": "incomplete"})
	}
	return out
}

func names() []Row {
	var out []Row
	for _, c := range Colors() {
		out = append(out, Row{"_value": c})
	}
	return out
}

// marks are the newest 200 incomplete windows of a colour.
func (o Oracle) marks(color string) []Row {
	var out []Row
	points := o.in(func(p series.Point) bool { return p.Color == color && !p.Complete })
	for _, p := range points[max(0, len(points)-200):] {
		out = append(out, Row{"time": p.Start, "text": "window not complete", "tags": color})
	}
	return out
}

// lags are the seconds between each colour's last point and the last of all.
func (o Oracle) lags() []Row {
	var out []Row
	points := o.in(all)
	for _, p := range latest(points) {
		out = append(out, Row{"_time": p.Start, "color": p.Color, "_value": points[len(points)-1].Start.Sub(p.Start).Seconds()})
	}
	return out
}

// age is the seconds since the last point of all.
func (o Oracle) age() []Row {
	points := o.in(all)
	if len(points) == 0 {
		return nil
	}
	last := points[len(points)-1].Start
	return []Row{{"_time": last, "_value": o.Stop.Sub(last).Seconds()}}
}

func (o Oracle) share() []Row {
	points := o.in(all)
	if len(points) == 0 {
		return nil
	}
	return []Row{{"_time": o.Stop, "_value": float64(len(o.in(incomplete))) / float64(len(points))}}
}
