package main

import (
	"fmt"
	"testing"
	"time"

	"colorstream/influxdb/series"
)

// BenchmarkPage measures the time from a click on a link to the page to its first painted rows, and
// that from the end of a window, which is then written, to its values on the page.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{4, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			const window = 5 * time.Second
			s := newStack(b, noGrafana, "WORKER_WINDOW=5s", "DASHBOARD_REFRESH=5s")
			write := func(start time.Time, v float64) {
				points := make([]series.Point, n)
				for i := range points {
					points[i] = series.Point{
						Color: fmt.Sprintf("color-%05d", i), Start: start, Count: 5, Complete: true,
						Statistics: series.DefaultStatistics(), Values: []float64{v, v, v, v},
					}
				}
				s.write(b, points...)
			}
			write(time.Now().Truncate(window).Add(-window), 1)
			s.await(b, "/rows?size=1", fmt.Sprintf(`"total":%d`, n))
			t := newTab(b)
			paints, v := 0.0, 100.0
			var updates time.Duration
			for b.Loop() {
				t.open(s.URL)
				t.await(`performance.getEntriesByName("first-contentful-paint").length && document.querySelector("tbody tr")`)
				paints += eval[float64](t,
					`performance.getEntriesByName("first-contentful-paint")[0].startTime`)
				end := time.Now().Truncate(window).Add(window)
				time.Sleep(time.Until(end))
				v++
				write(end.Add(-window), v)
				t.await(cell("color-00000", "main") + fmt.Sprintf(` === "%.2f"`, v))
				updates += time.Since(end)
			}
			b.ReportMetric(paints/float64(b.N), "ms/paint")
			b.ReportMetric(float64(updates.Milliseconds())/float64(b.N), "ms/update")
		})
	}
}
