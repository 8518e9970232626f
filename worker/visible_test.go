package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"colorstream/generator/message"
)

// BenchmarkCloseToVisible measures the time from a window's end to all its points being readable in
// InfluxDB, at 1000 colors a window. The query itself, some milliseconds, is part of it.
//
//	cd worker && go test -run '^$' -bench CloseToVisible -benchtime 60x
func BenchmarkCloseToVisible(b *testing.B) {
	const colors = 1000
	const width = time.Second
	r := newRig(b, nil)
	r.worker("WORKER_WINDOW=" + width.String())
	payloads := make([]string, colors)
	for i := range payloads {
		payloads[i] = string(message.Message{
			Color: fmt.Sprint("color", i),
			Value: float64(i),
		}.AppendJSON(nil))
	}
	var took []time.Duration
	for b.Loop() {
		start := time.Now().Truncate(width).Add(width)
		time.Sleep(time.Until(start.Add(width / 10)))
		r.publish(payloads...)
		time.Sleep(time.Until(start.Add(width)))
		flux := fmt.Sprintf(`from(bucket: %q) |> range(start: %s, stop: %s) |> filter(fn: (r) => r._field == "complete")
			|> group() |> count()`, r.db.Bucket, start.UTC().Format(time.RFC3339), start.Add(width).UTC().Format(time.RFC3339))
		for {
			rows := r.db.Query(b, flux)
			if len(rows) == 1 && rows[0]["_value"] == int64(colors) {
				break
			}
			time.Sleep(5 * time.Millisecond) // or the queries would keep InfluxDB from writing
			if time.Since(start) > 10*width {
				b.Fatalf("the window of %v does not come: %v", start, rows)
			}
		}
		took = append(took, time.Since(start.Add(width)))
	}
	slices.Sort(took)
	b.ReportMetric(0, "ns/op") // the pace is the windows'
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}
