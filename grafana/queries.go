package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"colorstream/grafana/lint"
	"colorstream/grafana/query"
	"colorstream/grafana/sample"
	"colorstream/influxdb/flux"
)

// sampleRange is how much the sample points cover.
const sampleRange = 26 * time.Hour

// chunk is how many points are written at once.
const chunk = 20000

// views are ranges to ask for. None begins at a multiple of its step, as in life.
var views = []struct {
	name        string
	back, every time.Duration
}{
	{"the last 15 minutes, window by window", 15*time.Minute + 2*time.Second, sample.Window},
	{"the last day in steps of 10 minutes", 25*time.Hour + 47*time.Second, 10 * time.Minute},
}

// checkQueries writes sample data to two empty buckets and runs all queries of the set on it: each
// must run and return something, in order of time, with the columns that its panel draws.
func checkQueries(
	ctx context.Context, c flux.Client, points, metrics string, set *lint.Set,
) ([]lint.Problem, error) {
	end := time.Now().Truncate(sample.Window)
	for part := range slices.Chunk(sample.Points(end, sampleRange), chunk) {
		if err := c.Write(ctx, points, sample.Lines(part)); err != nil {
			return nil, fmt.Errorf("write sample points: %w", err)
		}
	}
	if err := c.Write(ctx, metrics, sample.Metrics(end).Lines()); err != nil {
		return nil, fmt.Errorf("write sample metrics: %w", err)
	}
	var problems []lint.Problem
	for _, q := range set.Queries() {
		for _, v := range views {
			where := query.Context{
				Start: end.Add(-v.back), Stop: end, Every: v.every, Bucket: points,
				Org: c.Org,
			}
			where.Variables = map[string]string{"color": sample.Odd, "search": "", "scale": "same"}
			if q.Source == lint.Pipeline {
				where.Bucket = metrics
			}
			if q.Kind == "alert" {
				where.Start = end.Add(-time.Duration(q.Range) * time.Second)
			}
			if err := checkQuery(ctx, c, q, where); err != nil {
				problems = append(problems, lint.Problem{
					File: q.File, Where: q.Where, Text: fmt.Sprintf("%v (asked for %s)", err, v.name),
				})
				break
			}
		}
	}
	return problems, ctx.Err()
}

func checkQuery(ctx context.Context, c flux.Client, q lint.Query, where query.Context) error {
	flux, err := where.Expand(q.Flux)
	if err != nil {
		return err
	}
	tables, err := c.Run(ctx, flux)
	if err != nil {
		return fmt.Errorf("InfluxDB rejects the query: %w", err)
	}
	if len(tables) == 0 {
		return errors.New("the query finds nothing in sample data with all fields: " +
			"check measurement, field and tag names")
	}
	for _, t := range tables {
		var before time.Time
		for _, row := range t {
			at, ok := row["_time"].(time.Time)
			_, value := row["_value"]
			if (!ok || !value) && slices.Contains(
				[]string{"timeseries", "state-timeline", "heatmap", "alert"}, q.Kind) {
				return errors.New("the answer needs the columns _time and _value: " +
					`end the query with |> keep(columns: ["_time", "_value", "color"])`)
			}
			if ok && value && at.Before(before) {
				return errors.New(`the answer is not in order of time: add |> sort(columns: ["_time"])`)
			}
			before = at
		}
	}
	return nil
}
