package influx

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"colorstream/influxdb/series"
)

// fields match those of a point, whatever the worker is told to compute: a whole answer then has
// the same ones, empty where a point has none.
const fields = `/^(count|complete|exact|mean|median|min|max|stddev|p[0-9.]+)$/`

// Last returns each colour's newest point among those that start at or after since.
func (r *Reader) Last(ctx context.Context, since time.Time) ([]series.Point, error) {
	if err := r.Check(ctx); err != nil {
		return nil, err
	}
	return r.points(ctx, `SELECT last("count"), `+fields+from(since), nil)
}

// Since returns all points that start at or after since.
func (r *Reader) Since(ctx context.Context, since time.Time) ([]series.Point, error) {
	return r.points(ctx, "SELECT "+fields+from(since), nil)
}

// A Value is one window's.
type Value struct {
	Color string
	Start time.Time
	Value float64
}

// Values returns a statistic of all windows that start at or after since.
func (r *Reader) Values(
	ctx context.Context, name series.Statistic, since time.Time,
) ([]Value, error) {
	var list []Value
	one := func(w row) {
		if value, err := strconv.ParseFloat(w.columns[0], 64); err == nil {
			list = append(list, Value{w.color, w.time, value})
		}
	}
	err := r.query(ctx, fmt.Sprintf("SELECT %q", name)+from(since), nil,
		func([]string) func(row) { return one })
	return list, err
}

// Steps returns points of some colours, each made of those that start in one step of [begin, end),
// if there are any: the mean of all messages, the smallest and the largest value, the number of
// messages, and the mean of every other statistic; complete if all are. Steps begin at multiples of
// step. A single window's values are its own.
func (r *Reader) Steps(
	ctx context.Context, colors []string, begin, end time.Time, step time.Duration,
) ([]series.Point, error) {
	condition, parameters := among(colors, end)
	return r.points(ctx, `SELECT mean(/^(mean|median|stddev|p[0-9.]+)$/),
		min("min") AS "min", max("max") AS "max", sum("count") AS "count", min("complete") AS "complete",
		sum("sum") AS "total", count("sum") AS "sums", count("count") AS "windows"`+
		from(begin, condition)+fmt.Sprintf(", time(%dns) fill(none)", step.Nanoseconds()), parameters)
}

// from writes what follows a query's columns.
func from(begin time.Time, conditions ...string) string {
	return fmt.Sprintf(` FROM %q WHERE time >= %d`, series.Measurement, begin.UnixNano()) +
		strings.Join(conditions, "") + " GROUP BY " + series.Color
}

// among writes the condition that a point is of one of the colours and before end.
func among(colors []string, end time.Time) (condition string, parameters map[string]string) {
	parameters = make(map[string]string, len(colors))
	terms := make([]string, len(colors))
	for i, color := range colors {
		name := "c" + strconv.Itoa(i)
		parameters[name], terms[i] = color, series.Color+" = $"+name
	}
	return fmt.Sprintf(" AND time < %d AND (%s)",
		end.UnixNano(), strings.Join(terms, " OR ")), parameters
}

func (r *Reader) points(
	ctx context.Context, influxQL string, parameters map[string]string,
) ([]series.Point, error) {
	var list []series.Point
	err := r.query(ctx, influxQL, parameters, func(names []string) func(row) {
		l := newLayout(names)
		return func(w row) {
			if p, ok := l.point(w); ok {
				list = append(list, p)
			}
		}
	})
	return list, err
}

// A layout says where in a row a point's fields are.
type layout struct {
	statistics             series.Statistics
	at                     []int // their columns
	count, complete, exact int
	total, sums, windows   int // of a step, of several windows
}

func newLayout(names []string) layout {
	column := func(name string) int { return slices.Index(names, name) }
	l := layout{
		count: column(series.Count), complete: column(series.Complete), exact: column(series.Exact),
		total: column("total"), sums: column("sums"), windows: column("windows"),
	}
	for i, name := range names {
		if s := series.Statistic(strings.TrimPrefix(name, "mean_")); s.IsKnown() {
			l.statistics, l.at = append(l.statistics, s), append(l.at, i)
		}
	}
	return l
}

// point reads a row. It reports whether count and complete are there, and all fields of the types
// that the worker writes.
func (l *layout) point(w row) (p series.Point, ok bool) {
	if l.count < 0 || l.complete < 0 {
		return p, false
	}
	p = series.Point{
		Color: w.color, Start: w.time, Complete: w.columns[l.complete] == "true",
		Approximate: l.exact >= 0 && w.columns[l.exact] == "false",
		Statistics:  l.statistics, Values: make([]float64, len(l.at)),
	}
	for i, at := range l.at {
		p.Values[i] = math.NaN()
		if text := w.columns[at]; text != "" {
			var err error
			if p.Values[i], err = strconv.ParseFloat(text, 64); err != nil {
				return p, false
			}
		}
	}
	var err error
	p.Count, err = strconv.ParseInt(w.columns[l.count], 10, 64)
	if mean := slices.Index(l.statistics, series.Mean); mean >= 0 && l.windows >= 0 && p.Count > 0 &&
		w.columns[l.windows] != "1" && w.columns[l.windows] == w.columns[l.sums] {
		// Without every window's sum (it is left out past a double's range) the mean of means stands in.
		if sum, err := strconv.ParseFloat(w.columns[l.total], 64); err == nil {
			p.Values[mean] = sum / float64(p.Count)
		}
	}
	return p, err == nil && (p.Complete || w.columns[l.complete] == "false")
}
