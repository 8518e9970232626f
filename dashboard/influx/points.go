package influx

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"colorstream/influxdb/series"
)

// fields are a point's. InfluxQL has words of its own among them.
const fields = `"mean", "median", "min", "max", "count", "complete", "exact"`

// Last returns each colour's newest point among those that start at or after since.
func (r *Reader) Last(ctx context.Context, since time.Time) ([]series.Point, error) {
	if err := r.Check(ctx); err != nil {
		return nil, err
	}
	newest := strings.Replace(fields, `"count"`, `last("count")`, 1)
	return r.points(ctx, "SELECT "+newest+from(since), nil)
}

// Since returns all points that start at or after since.
func (r *Reader) Since(ctx context.Context, since time.Time) ([]series.Point, error) {
	return r.points(ctx, "SELECT "+fields+from(since), nil)
}

// Between returns the points of some colours that start in [begin, end).
func (r *Reader) Between(ctx context.Context, colors []string, begin, end time.Time) ([]series.Point, error) {
	condition, parameters := among(colors, end)
	return r.points(ctx, "SELECT "+fields+from(begin, condition), parameters)
}

// A Median is one window's.
type Median struct {
	Color string
	Start time.Time
	Value float64
}

// Medians returns the medians of all windows that start at or after since.
func (r *Reader) Medians(ctx context.Context, since time.Time) ([]Median, error) {
	var list []Median
	err := r.query(ctx, `SELECT "median"`+from(since), nil, func(w row) {
		if value, err := strconv.ParseFloat(w.columns[0], 64); err == nil {
			list = append(list, Median{w.color, w.time, value})
		}
	})
	return list, err
}

// Steps returns points of some colours, each made of those that start in one step of [begin, end),
// if there are any: the mean of all messages, the mean of the medians, the smallest and the largest
// value, the number of messages; complete if all are. Steps begin at multiples of step.
func (r *Reader) Steps(
	ctx context.Context, colors []string, begin, end time.Time, step time.Duration,
) ([]series.Point, error) {
	condition, parameters := among(colors, end)
	var list []series.Point
	err := r.query(ctx, `SELECT mean("mean"), mean("median"), min("min"), max("max"), sum("count"), min("complete"),
		sum("sum"), count("sum"), count("count")`+from(begin, condition)+
		fmt.Sprintf(", time(%dns) fill(none)", step.Nanoseconds()), parameters, func(w row) {
		p, ok := pointOf(w)
		if !ok {
			return
		}
		// Without every window's sum (it is left out past a double's range) the mean of means stands in.
		sum, err := strconv.ParseFloat(w.columns[6], 64)
		if err == nil && w.columns[7] == w.columns[8] && p.Count > 0 {
			p.Mean = sum / float64(p.Count)
		}
		list = append(list, p)
	})
	return list, err
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
	err := r.query(ctx, influxQL, parameters, func(w row) {
		if p, ok := pointOf(w); ok {
			p.Approximate = w.columns[6] == "false"
			list = append(list, p)
		}
	})
	return list, err
}

// pointOf reads a row's first six columns, in the order of [fields]. It reports whether all are
// there and of the types that the worker writes.
func pointOf(w row) (p series.Point, ok bool) {
	var errs [5]error
	p = series.Point{Color: w.color, Start: w.time, Complete: w.columns[5] == "true"}
	for i, value := range []*float64{&p.Mean, &p.Median, &p.Min, &p.Max} {
		*value, errs[i] = strconv.ParseFloat(w.columns[i], 64)
	}
	p.Count, errs[4] = strconv.ParseInt(w.columns[4], 10, 64)
	return p, errs == [5]error{} && (p.Complete || w.columns[5] == "false")
}
