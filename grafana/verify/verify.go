// Package verify runs every query of the dashboards and alerts against a real
// InfluxDB that holds known points, and compares the answers with those of an
// oracle (package known).
//
// Queries of dashboards that people add have no oracle. Of those it asks what
// can be asked of any: that they run, that they return something, in order of
// time, with the columns that their panel draws.
package verify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"colorstream/grafana/known"
	"colorstream/grafana/lint"
	"colorstream/grafana/provision"
	"colorstream/grafana/query"
	"colorstream/influxdb/series"
)

// length is how much the known points cover.
const length = 26 * time.Hour

// A range to ask for. None begins at a multiple of its step, as in life.
type view struct {
	name  string
	back  time.Duration
	every time.Duration
}

var views = []view{
	{"the last 15 minutes, window by window", 15*time.Minute + 2*time.Second, known.Window},
	{"the last day in steps of 10 minutes", 25*time.Hour + 47*time.Second, 10 * time.Minute},
}

// chunk is how many points are written at once.
const chunk = 20000

// Filled is a bucket with known points in it.
type Filled struct {
	client query.Client
	bucket string
	end    time.Time
	points []series.Point

	pipeline string // the bucket of samples, "" if there is none
	samples  known.Samples
}

// Fill writes known points to an empty bucket. The client must be allowed to
// write to it.
func Fill(ctx context.Context, client query.Client, bucket string) (*Filled, error) {
	f := &Filled{client: client, bucket: bucket, end: time.Now().Truncate(known.Window)}
	f.points = known.Points(f.end, length)
	for points := range slices.Chunk(f.points, chunk) {
		if err := client.Write(ctx, bucket, known.Lines(points)); err != nil {
			return nil, fmt.Errorf("fill InfluxDB with known points: %w", err)
		}
	}
	return f, nil
}

// FillPipeline writes known samples of the programs' metrics to another empty
// bucket.
func (f *Filled) FillPipeline(ctx context.Context, bucket string) error {
	f.pipeline, f.samples = bucket, known.Pipeline(f.end)
	if err := f.client.Write(ctx, bucket, f.samples.Lines()); err != nil {
		return fmt.Errorf("fill InfluxDB with known samples: %w", err)
	}
	return nil
}

// Queries checks all queries of the set.
func (f *Filled) Queries(ctx context.Context, set *provision.Set) ([]lint.Problem, error) {
	var problems []lint.Problem
	for _, q := range set.Queries() {
		for _, v := range views {
			oracle := known.Oracle{Points: f.points, Samples: f.samples, Start: f.end.Add(-v.back), Stop: f.end, Every: v.every}
			if q.Kind == "alert" {
				oracle.Start = f.end.Add(-time.Duration(q.Range) * time.Second)
			}
			if q.Key == "color/3/A" && v.every > known.Window {
				oracle.Every = 20 * time.Second // the panel asks for 8000 points
			}
			if text := f.check(ctx, q, oracle); text != "" {
				problems = append(problems, lint.Problem{File: q.File, Where: q.Where, Text: text + " (asked for " + v.name + ")"})
				break
			}
		}
	}
	return problems, ctx.Err()
}

// check returns what is wrong with one query, or "".
func (f *Filled) check(ctx context.Context, q provision.Query, o known.Oracle) string {
	for _, color := range []string{"red", known.Odd} {
		bucket := f.bucket
		if q.Source == provision.Pipeline {
			bucket = f.pipeline
		}
		where := query.Context{
			Start: o.Start, Stop: o.Stop, Every: o.Every, Bucket: bucket, Org: f.client.Org,
			Variables: map[string]string{"color": color},
		}
		flux, err := where.Expand(q.Flux)
		if err != nil {
			return err.Error()
		}
		tables, err := f.client.Run(ctx, flux)
		if err != nil {
			return "InfluxDB refuses the query: " + err.Error()
		}
		want, ok := o.Answers(color)[q.Key]
		if !ok {
			return plausible(q, tables)
		}
		if difference := known.Compare(want(), known.Rows(tables)); difference != "" {
			return "the answer is not what the panel promises: " + difference +
				"; if the query is meant to be different now, say so in grafana/known/expect.go"
		}
		if text := ordered(tables); text != "" {
			return text
		}
	}
	return ""
}

// plausible is what can be asked of a query that nobody wrote an oracle for.
func plausible(q provision.Query, tables []query.Table) string {
	rows := 0
	for _, t := range tables {
		rows += len(t.Rows)
	}
	if rows == 0 {
		return "the query finds nothing among points of five colours with all fields: check measurement, field and tag names"
	}
	switch q.Kind {
	case "timeseries", "state-timeline", "heatmap", "alert":
		for _, t := range tables {
			if _, ok := t.Series(); !ok {
				return "the answer needs the columns _time and _value: end the query with |> keep(columns: [\"_time\", \"_value\", \"color\"])"
			}
		}
	}
	return ordered(tables)
}

func ordered(tables []query.Table) string {
	for _, t := range tables {
		values, ok := t.Series()
		for i := 1; ok && i < len(values); i++ {
			if values[i].Time.Before(values[i-1].Time) {
				return "the answer is not in order of time: add |> sort(columns: [\"_time\"])"
			}
		}
	}
	return ""
}
