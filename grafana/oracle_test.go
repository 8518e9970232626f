package main

import (
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/grafana/lint"
	"colorstream/grafana/query"
	"colorstream/grafana/sample"
	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// A row of an answer as text: columns and group key in the order of their names, floats to nine
// digits.
type row map[string]any

func (r row) String() string {
	out := map[string]any{}
	for name, value := range r {
		switch value := value.(type) {
		case float64:
			out[name] = fmt.Sprintf("%.9g", value)
		case time.Time:
			out[name] = value.UTC().Format(time.RFC3339Nano)
		case nil:
		default:
			out[name] = value
		}
	}
	return fmt.Sprint(out)
}

// oracle tells from Go values, in plain loops, what queries must return. It shares nothing with
// InfluxDB, Flux or the queries' text.
type oracle struct {
	points      []series.Point // in order of time
	metrics     sample.Samples
	start, stop time.Time
	every       time.Duration
}

// in returns the points of the range; color "" means all.
func (o oracle) in(color string) []series.Point {
	var out []series.Point
	for _, p := range o.points {
		if !p.Start.Before(o.start) && p.Start.Before(o.stop) && (color == "" || p.Color == color) {
			out = append(out, p)
		}
	}
	return out
}

// steps sums up the points of each step at multiples of the step since 1970, the first from the
// range's begin. A step without points is a row with its time only, if empty is true.
func (o oracle) steps(
	points []series.Point, key row, empty bool, sumUp func([]series.Point) any,
) []row {
	var out []row
	if len(points) == 0 {
		return nil
	}
	for at := o.start.Truncate(o.every); at.Before(o.stop); at = at.Add(o.every) {
		r := row{"_time": at}
		if at.Before(o.start) {
			r["_time"] = o.start
		}
		maps.Copy(r, key)
		n := 0
		for n < len(points) && points[n].Start.Before(at.Add(o.every)) {
			n++
		}
		if n > 0 {
			r["_value"] = sumUp(points[:n])
		}
		if n > 0 || empty {
			out = append(out, r)
		}
		points = points[n:]
	}
	return out
}

// each is steps of every colour.
func (o oracle) each(empty bool, sumUp func([]series.Point) any) []row {
	var out []row
	for _, c := range sample.Colors() {
		out = append(out, o.steps(o.in(c), row{"color": c}, empty, sumUp)...)
	}
	return out
}

// of are the points' values of a statistic.
func of(points []series.Point, s series.Statistic) (values []float64) {
	for _, p := range points {
		values = append(values, p.Value(s))
	}
	return values
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}

func messages(points []series.Point) any {
	sum := int64(0)
	for _, p := range points {
		sum += p.Count
	}
	return sum
}

func mean(points []series.Point) any {
	sum := 0.0
	for _, p := range points {
		sum += p.Sum
	}
	return sum / float64(messages(points).(int64))
}

func medians(points []series.Point) any {
	return total(of(points, series.Median)) / float64(len(points))
}
func least(points []series.Point) any { return slices.Min(of(points, series.Min)) }
func most(points []series.Point) any  { return slices.Max(of(points, series.Max)) }

// age is how long before the end the last of the points began.
func (o oracle) age(points []series.Point) float64 {
	return o.stop.Sub(points[len(points)-1].Start).Seconds()
}

// answers make what queries must return, by the queries' keys.
type answers map[string]func() []row

// All queries of the dashboards but the live one, by their key, are run and their answers held
// against the oracle. A key without a want is an error, so that a new query gets one; nil means
// that it is enough for it to run.
func TestDashboards(t *testing.T) {
	t.Parallel()
	db, metricsDB := influxtest.Shared(t).NewBucket(t), influxtest.Shared(t).NewBucket(t)
	end := time.Now().Truncate(sample.Window)
	all := oracle{points: sample.Points(end, 26*time.Hour), metrics: sample.Metrics(end)}
	for part := range slices.Chunk(all.points, chunk) {
		db.Write(t, string(sample.Lines(part)))
	}
	metricsDB.Write(t, string(all.metrics.Lines()))
	set := load(t, ".")
	for _, v := range views {
		o := all
		o.start, o.stop, o.every = end.Add(-v.back), end, v.every
		wants := colors(o)
		maps.Copy(wants, color(o))
		maps.Copy(wants, pipeline(o))
		for _, q := range set.Queries() {
			if q.Kind == "alert" || strings.HasPrefix(q.Key, "colors-live/") {
				continue
			}
			want, ok := wants[q.Key]
			if !ok {
				t.Errorf("%s has no answer in the oracle", q.Key)
			}
			delete(wants, q.Key)
			if want == nil {
				continue
			}
			from := db
			if q.Source == lint.Pipeline {
				from = metricsDB
			}
			if diff := difference(ask(t, from, o.start, o.stop, o.every, q.Flux), want()); diff != "" {
				t.Errorf("%s, %s, %s: %s", q.Key, q.Where, v.name, diff)
			}
		}
		for key := range wants {
			t.Errorf("there is no query %s", key)
		}
	}
}

func load(t testing.TB, dir string) *lint.Set {
	t.Helper()
	set, err := lint.Load(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// fluxOf is the query of a key.
func fluxOf(t *testing.T, key string) string {
	t.Helper()
	for _, q := range load(t, ".").Queries() {
		if q.Key == key {
			return q.Flux
		}
	}
	t.Fatalf("there is no query %s", key)
	return ""
}

// ask runs a query on a bucket as Grafana does for a range of time.
func ask(
	t *testing.T, db *influxtest.Server, start, stop time.Time, every time.Duration, text string,
) []row {
	t.Helper()
	where := query.Context{
		Start: start, Stop: stop, Every: every, Bucket: db.Bucket, Org: db.Org,
		Variables: map[string]string{"color": sample.Odd, "search": "", "scale": "same"},
	}
	text, err := where.Expand(text)
	if err != nil {
		t.Fatal(err)
	}
	tables, err := flux.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}.Run(t.Context(), text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var out []row
	for _, r := range slices.Concat(tables...) {
		delete(r, "_start")
		delete(r, "_stop")
		delete(r, "_measurement")
		out = append(out, row(r))
	}
	return out
}

// difference holds an answer's rows, in any order, against those that it must have.
func difference(got, want []row) string {
	text := func(rows []row) (out []string) {
		for _, r := range rows {
			out = append(out, r.String())
		}
		slices.Sort(out)
		return out
	}
	return cmp.Diff(text(want), text(got))
}

// middle is the mean of the two middle values, as InfluxDB estimates it of few.
func middle(values []float64) float64 {
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

func colors(o oracle) answers {
	all, odd := o.in(""), o.in(sample.Odd)
	return answers{
		"colors/1/A": func() []row { return o.each(true, mean) },
		"colors/2/A": func() []row { return o.each(true, medians) },
		"colors/3/A": func() []row { return o.each(true, least) },
		"colors/4/A": func() []row { return o.each(true, most) },
		"colors/5/A": func() []row { return []row{{"_value": o.age(all)}} },
		"colors/6/A": func() []row { return o.steps(all, nil, false, messages) },
		"colors/7/A": func() []row { return []row{o.alive()} },
		"colors/8/A": func() []row {
			return append(o.gaps(all, nil), row{"_time": o.start, "_value": int64(0)})
		},
		"colors/9/A":  nil, // from the first step's begin: color/4/A is held against the oracle
		"colors/10/A": o.table,
		"colors/11/A": nil, // colors/8/A, with a name
		"colors/12/A": func() []row {
			var oddest row
			for _, r := range o.table() {
				if oddest == nil || math.Abs(r["Off"].(float64)) > math.Abs(oddest["Off"].(float64)) {
					oddest = row{"Colour": r["Colour"], "Off": r["Off"]}
				}
			}
			return []row{oddest}
		},
		"colors/13/A": func() []row { return o.steps(odd, row{"color": sample.Odd}, false, mean) },
		"colors/16/A": func() []row { return o.bands(odd) },
		"colors/16/B": func() []row {
			return []row{
				{"_time": o.stop, "series": "scale min", "_value": least(all)},
				{"_time": o.stop, "series": "scale max", "_value": most(all)},
			}
		},
		"colors/variable/color": func() []row {
			var out []row
			for _, c := range sample.Colors() {
				out = append(out, row{"_value": c})
			}
			return out
		},
		"colors/annotation/Incomplete windows": func() []row { return o.stretches(all) },
	}
}

func color(o oracle) answers {
	odd := o.in(sample.Odd)
	before := func(back time.Duration) []series.Point {
		earlier := o
		earlier.start, earlier.stop = o.start.Add(-back), o.stop.Add(-back)
		return earlier.in(sample.Odd)
	}
	return answers{
		"color/2/A": func() []row { return o.bands(odd) },
		"color/3/A": func() []row {
			return o.steps(odd, row{"color": sample.Odd},
				false, func(p []series.Point) any { return p[0].Value(series.Mean) })
		},
		"color/4/A": func() []row {
			o.start = o.start.Truncate(o.every)
			return o.steps(o.in(sample.Odd), row{"color": sample.Odd}, false, messages)
		},
		"color/5/A": func() []row {
			r := row{"now": mean(odd)}
			for name, points := range map[string][]series.Point{
				"hour": before(time.Hour),
				"day":  before(24 * time.Hour),
			} {
				if len(points) > 0 {
					r[name] = mean(points)
				}
			}
			return []row{r}
		},
		"color/6/A": func() []row { return []row{{"min": least(odd), "max": most(odd)}} },
		"color/7/A": func() []row { return o.steps(odd, nil, false, messages) },
		"color/8/A": func() []row {
			return append(o.gaps(odd, nil), row{"_time": o.start, "_value": int64(0)})
		},
		"color/9/A":  func() []row { return []row{{"_value": o.age(odd)}} },
		"color/10/A": nil, // color/2/A, shifted
		"color/11/A": func() []row {
			return o.steps(odd, row{"color": sample.Odd},
				false, func(p []series.Point) any { return p[0].Value(series.Median) })
		},
		"color/12/A":                          nil, // color/8/A, with a name
		"color/variable/color":                nil,
		"color/annotation/Incomplete windows": func() []row { return o.stretches(odd) },
	}
}

func (o oracle) alive() row {
	alive, silent := int64(0), int64(0)
	for _, c := range sample.Colors() {
		if o.age(o.in(c)) <= 60 {
			alive++
		} else {
			silent++
		}
	}
	return row{"alive": alive, "silent": silent}
}

// gaps counts incomplete points in each step, if there are any.
func (o oracle) gaps(points []series.Point, key row) []row {
	points = slices.DeleteFunc(slices.Clone(points), func(p series.Point) bool { return p.Complete })
	out := o.steps(points, key, true, func(p []series.Point) any { return int64(len(p)) })
	for _, r := range out {
		if r["_value"] == nil {
			r["_value"] = int64(0)
		}
	}
	return out
}

// bands are the four lines of one colour.
func (o oracle) bands(points []series.Point) []row {
	out := o.steps(points, row{"series": "min"}, true, least)
	out = append(out, o.steps(points, row{"series": "max"}, true, most)...)
	out = append(out, o.steps(points, row{"series": "mean"}, true, mean)...)
	return append(out, o.steps(points, row{"series": points[0].Color}, true, medians)...)
}

func (o oracle) table() []row {
	hour := o // the newest
	for _, p := range o.in("") {
		hour.start = p.Start.Add(-time.Hour)
	}
	var means, widths []float64
	for _, c := range sample.Colors() {
		means = append(means, mean(o.in(c)).(float64))
		widths = append(widths, most(hour.in(c)).(float64)-least(hour.in(c)).(float64))
	}
	center, usual := middle(means), middle(widths)
	var out []row
	for _, c := range sample.Colors() {
		points := o.in(c)
		out = append(out, row{
			"Colour": c, "Mean": mean(points), "Off": (mean(points).(float64) - center) / usual,
			"Age":      o.age(points),
			"Messages": float64(messages(points).(int64)), "min": least(hour.in(c)), "max": most(hour.in(c)),
		})
	}
	return out
}

// stretches joins incomplete windows no more than 30 seconds apart, the newest 100.
func (o oracle) stretches(points []series.Point) []row {
	var out []row
	windows, begin, last := int64(0), time.Time{}, time.Time{}
	end := func() {
		if windows > 0 {
			out = append(out, row{
				"time": begin, "timeEnd": last, "text": fmt.Sprintf("%d windows not complete",
					windows), "tags": "incomplete",
			})
		}
	}
	for _, p := range points {
		if p.Complete {
			continue
		}
		if windows > 0 && p.Start.Sub(last) > 30*time.Second {
			end()
			windows = 0
		}
		if windows == 0 {
			begin = p.Start
		}
		windows, last = windows+1, p.Start
	}
	end()
	return out[max(0, len(out)-100):]
}

// grown is how much counters grew in the range, over all series of a name.
func (o oracle) grown(name string) (sum float64) {
	last := map[string]sample.Sample{}
	for _, s := range o.metrics {
		if of, _, _ := strings.Cut(s.Series, ","); of != name || s.Field != "counter" ||
			s.At.Before(o.start) || !s.At.Before(o.stop) {
			continue
		}
		if before, ok := last[s.Series]; ok && s.Value < before.Value {
			sum += s.Value // the program began at zero
		} else if ok {
			sum += s.Value - before.Value
		}
		last[s.Series] = s
	}
	return sum
}

// last is the last value of a gauge in the range.
func (o oracle) last(series string) (s sample.Sample) {
	for _, one := range o.metrics {
		if one.Series == series && !one.At.Before(o.start) && one.At.Before(o.stop) {
			s = one
		}
	}
	return s
}

func pipeline(o oracle) answers {
	want := answers{
		"pipeline/8/A": func() []row { return []row{{"_value": messages(o.in(""))}} },
		"pipeline/26/A": func() []row {
			return []row{{"_value": o.last("colorstream_worker_store_waiting").Value}}
		},
	}
	for key, name := range map[string]string{
		"1/A": "generator_published", "2/A": "generator_no_subscribers", "3/A": "worker_received",
		"4/A": "worker_accepted", "5/A": "worker_rejected", "5/B": "worker_late",
	} {
		want["pipeline/"+key] = func() []row {
			return []row{{"_value": o.grown("colorstream_" + name + "_total")}}
		}
	}
	for _, key := range []string{
		"7/A", // TestNotAccountedFor
		"9/A", "10/A", "11/A", "12/A", "13/A", "14/A", "15/A", "16/A", "17/A", "18/A", "19/A", "20/A",
		"21/A", "22/A", "23/A", "31/A", "32/A", "33/A", "34/A", "annotation/Starts",
		"annotation/Windows not complete", "annotation/InfluxDB away",
	} {
		want["pipeline/"+key] = nil
	}
	return want
}

// Of more than fifty colours, those with the most messages are drawn.
func TestFiftyLinesAtMost(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	end := time.Now().Truncate(time.Minute)
	start := end.Add(-time.Minute)
	want := map[any]bool{}
	for i := range 60 {
		p := series.Point{
			Color: fmt.Sprintf("a.%d", i), Start: start, Count: int64(100 + i), Sum: 1,
			Statistics: series.DefaultStatistics(), Values: []float64{1, 1, 1, 1},
		}
		db.Write(t, string(p.AppendLine(nil)))
		if i >= 10 {
			want[p.Color] = true
		}
	}
	for _, key := range []string{
		"colors/1/A", "colors/2/A", "colors/3/A", "colors/4/A",
		"colors/9/A",
	} {
		got := map[any]bool{}
		for _, r := range ask(t, db, start, end, time.Minute, fluxOf(t, key)) {
			got[r["color"]] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %d colours, want the 50 with the most messages", key, len(got))
		}
	}
}
