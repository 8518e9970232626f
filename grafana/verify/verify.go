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
	"time"

	"colorstream/grafana/known"
	"colorstream/grafana/lint"
	"colorstream/grafana/provision"
	"colorstream/grafana/query"
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

// bucketFill is how many bytes are written at once.
const bucketFill = 4 << 20

// Queries checks all queries of the set. The client must be allowed to write
// to the bucket, which must be empty.
func Queries(ctx context.Context, client query.Client, bucket string, set *provision.Set) ([]lint.Problem, error) {
	end := time.Now().Truncate(known.Window)
	points := known.Points(end, length)
	lines := known.Lines(points)
	for len(lines) > 0 {
		n := min(len(lines), bucketFill)
		for n < len(lines) && lines[n-1] != '\n' {
			n++
		}
		if err := client.Write(ctx, bucket, lines[:n]); err != nil {
			return nil, fmt.Errorf("fill InfluxDB with known points: %w", err)
		}
		lines = lines[n:]
	}

	var problems []lint.Problem
	for _, q := range set.Queries() {
		for _, v := range views {
			oracle := known.Oracle{Points: points, Start: end.Add(-v.back), Stop: end, Every: v.every}
			if q.Kind == "alert" {
				oracle.Start = end.Add(-time.Duration(q.Range) * time.Second)
			}
			if q.Key == "color/3/A" && v.every > known.Window {
				oracle.Every = 20 * time.Second // the panel asks for 8000 points
			}
			if text := check(ctx, client, bucket, q, oracle); text != "" {
				problems = append(problems, lint.Problem{File: q.File, Where: q.Where, Text: text + " (asked for " + v.name + ")"})
				break
			}
		}
	}
	return problems, ctx.Err()
}

// check returns what is wrong with one query, or "".
func check(ctx context.Context, client query.Client, bucket string, q provision.Query, o known.Oracle) string {
	for _, color := range []string{"red", known.Odd} {
		where := query.Context{
			Start: o.Start, Stop: o.Stop, Every: o.Every, Bucket: bucket, Org: client.Org,
			Variables: map[string]string{"color": color},
		}
		flux, err := where.Expand(q.Flux)
		if err != nil {
			return err.Error()
		}
		tables, err := client.Run(ctx, flux)
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
