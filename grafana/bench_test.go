package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/query"
	"colorstream/influxdb/flux"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

// What a panel over a month is asked for.
const (
	benchColors = 10
	benchRange  = 30 * 24 * time.Hour
	benchStep   = 30 * time.Minute // Grafana's choice for a panel of some 1000 pixels
	benchLimit  = 200 * time.Millisecond
)

// BenchmarkPanels asks every query of every dashboard and alert for 30 days of
// 5-second windows of ten colours, 5.2 million points of seven fields. Filling
// takes a minute and comes first. It fails if a median is over 200 ms.
//
//	go test -run '^$' -bench Panels -benchtime 20x .
func BenchmarkPanels(b *testing.B) {
	set := load(b, ".")
	db := influxtest.Start(b)
	client := flux.Client{URL: db.URL, Org: db.Org, Token: db.AdminToken}
	end := time.Now().Truncate(5 * time.Second)
	fillMonth(b, client, db.Bucket, end)
	settle(b, client)
	for _, q := range set.Queries() {
		b.Run(strings.NewReplacer(" ", "_", `"`, "").Replace(q.Key), func(b *testing.B) {
			where := query.Context{
				Start: end.Add(-benchRange), Stop: end, Every: benchStep, Bucket: db.Bucket, Org: db.Org,
				Variables: map[string]string{"color": "red", "search": "", "scale": "same"},
			}
			if q.MaxPoints > 0 {
				where.Every = (benchRange / time.Duration(q.MaxPoints)).Round(time.Minute)
			}
			if q.Kind == "alert" {
				where.Start = end.Add(-time.Duration(q.Range) * time.Second)
			}
			flux, err := where.Expand(q.Flux)
			if err != nil {
				b.Fatal(err)
			}
			var times []time.Duration
			size := 0
			for b.Loop() {
				begin := time.Now()
				answer, err := client.Call(b.Context(), http.MethodPost, "/api/v2/query?org="+db.Org,
					"application/vnd.flux", []byte(flux))
				if err != nil {
					b.Fatal(err)
				}
				times = append(times, time.Since(begin))
				size = len(answer)
			}
			slices.Sort(times)
			median := times[len(times)/2]
			b.ReportMetric(float64(median.Microseconds())/1000, "ms/median")
			b.ReportMetric(float64(times[0].Microseconds())/1000, "ms/best")
			b.ReportMetric(float64(size)/1024, "KiB")
			if len(times) > 1 && median > benchLimit {
				b.Errorf("the median is %v, over %v", median, benchLimit)
			}
		})
	}
}

func fillMonth(b *testing.B, client flux.Client, bucket string, end time.Time) {
	b.Helper()
	names := []string{"red", "blue", "green", "yellow"}
	for i := len(names); i < benchColors; i++ {
		names = append(names, fmt.Sprintf("color %02d", i))
	}
	r := rand.New(rand.NewPCG(1, 2))
	var lines bytes.Buffer
	begin := time.Now()
	points := 0
	for at := end.Add(-benchRange); at.Before(end); at = at.Add(5 * time.Second) {
		whole := r.IntN(2000) != 0 // a broken connection in three hours
		for i, name := range names {
			mean := 50 + 20*math.Sin(float64(at.Unix())/7200+float64(i)) + 10*r.Float64()
			count := int64(1 + r.IntN(5))
			p := series.Point{
				Color: name, Start: at, Complete: whole, Count: count, Sum: mean * float64(count),
				Statistics: series.DefaultStatistics(),
				Values:     []float64{mean, mean + r.Float64(), mean - 20*r.Float64(), mean + 20*r.Float64()},
			}
			lines.Write(append(p.AppendLine(lines.AvailableBuffer()), '\n'))
			points++
		}
		if lines.Len() > 4<<20 {
			writeLines(b, client, bucket, &lines)
		}
	}
	writeLines(b, client, bucket, &lines)
	b.Logf("%d points written in %v", points, time.Since(begin).Round(time.Second))
}

var compactions = regexp.MustCompile(`(?m)^storage_compactions_(active|queued){.*} [1-9]`)

// settle waits until InfluxDB has compacted what was written, as it has a month that came window by
// window.
func settle(b *testing.B, client flux.Client) {
	b.Helper()
	for quiet := 0; quiet < 5; quiet++ {
		text, err := client.Call(b.Context(), "GET", "/metrics", "", nil)
		if err != nil {
			b.Fatal(err)
		}
		if compactions.Match(text) {
			quiet = 0
		}
		time.Sleep(time.Second)
	}
}

func writeLines(b *testing.B, client flux.Client, bucket string, lines *bytes.Buffer) {
	b.Helper()
	if err := client.Write(b.Context(), bucket, lines.Bytes()); err != nil {
		b.Fatal(err)
	}
	lines.Reset()
}
