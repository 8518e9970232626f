package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// BenchmarkFirstRow measures the time from a click on a link to the page to its first painted rows.
func BenchmarkFirstRow(b *testing.B) {
	for _, n := range []int{4, 10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newStackOn(b, filled(b, many(n)), noGrafana)
			s.await(b, "/rows?size=1", fmt.Sprintf(`"total":%d`, n))
			t := newTab(b)
			paints := 0.0
			for b.Loop() {
				t.open(s.URL)
				t.await(`performance.getEntriesByName("first-contentful-paint").length && document.querySelector("tbody tr")`)
				paints += eval[float64](t, `performance.getEntriesByName("first-contentful-paint")[0].startTime`)
			}
			b.ReportMetric(paints/float64(b.N), "ms/paint")
		})
	}
}

// BenchmarkUpdate measures the time from the end of a window of 10 000 colours, which is then
// written, to the event that brings a browser its new values.
func BenchmarkUpdate(b *testing.B) {
	const n, window = 10_000, 5 * time.Second
	s := newStackOn(b, influxtest.Start(b), noGrafana, "WORKER_WINDOW=5s", "DASHBOARD_REFRESH=5s")
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
	first := time.Now().Truncate(window).Add(-window)
	write(first, 1)
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/events?sort=-median", nil)
	if err != nil {
		b.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewReaderSize(response.Body, 1<<20)
	await := func(text string) {
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				b.Fatal(err)
			}
			if strings.Contains(line, text) {
				return
			}
		}
	}
	await(`"total":10000`)
	var total time.Duration
	v := 100.0
	for b.Loop() {
		end := time.Now().Truncate(window).Add(window)
		time.Sleep(time.Until(end))
		v++
		write(end.Add(-window), v)
		await(fmt.Sprintf(`>%.2f</td>`, v))
		total += time.Since(end)
	}
	b.ReportMetric(float64(total.Milliseconds())/float64(b.N), "ms/update")
}
