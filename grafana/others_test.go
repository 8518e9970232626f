package main

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/lint"
	"colorstream/grafana/sample"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// TestOtherStatistics asks all queries of a bucket whose worker computes p99.9 and the standard
// deviation alone. None fails, those that show whatever there is show both, and what cannot be had
// is empty.
func TestOtherStatistics(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	end := time.Now().Truncate(sample.Window)
	points := sample.Points(end, 2*time.Hour)
	for i := range points {
		p := &points[i]
		high := p.Value(series.Max)
		p.Statistics, p.Values = series.Statistics{"p99.9", series.StdDev}, []float64{high, high / 10}
		if p.Count == 1 {
			p.Values[1] = math.NaN()
		}
	}
	for part := range slices.Chunk(points, chunk) {
		db.Write(t, string(sample.Lines(part)))
	}
	set := load(t, ".")
	shown := map[string]string{
		"colors/16/A": "p99.9 stddev mean", "color/2/A": "p99.9 stddev mean",
		"colors/10/A": "p99.9 stddev Mean Off", "colors-live/variable/statistic": "p99.9 stddev",
	}
	for _, q := range set.Queries() {
		if q.Source != lint.DataSource {
			continue
		}
		rows := ask(t, db, end.Add(-time.Hour), end, time.Minute, q.Flux)
		want, ok := shown[q.Key]
		if !ok {
			continue
		}
		delete(shown, q.Key)
		for name := range strings.FieldsSeq(want) {
			if !slices.ContainsFunc(rows, func(r row) bool {
				return r[name] != nil || (r["series"] == name || r["_value"] == name) && r["_value"] != nil
			}) {
				t.Errorf("%s does not show %s", q.Key, name)
			}
		}
	}
	if len(shown) > 0 {
		t.Errorf("there are no queries %v", shown)
	}
}
