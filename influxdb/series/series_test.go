package series

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAppendLine(t *testing.T) {
	start := time.Unix(1760000000, 0)
	want := func(p Point, line string) {
		t.Helper()
		p.Start = start
		if got := string(p.AppendLine([]byte("*"))); got != "*"+line+" 1760000000000000000" {
			t.Errorf("got  %s\nwant %s", got, line)
		}
	}
	four := DefaultStatistics()
	want(Point{
		Color: "red", Statistics: four, Values: []float64{50.5, 50, 1, 100}, Sum: 202, Count: 4,
		Complete: true,
	},
		`color_metrics,color=red mean=50.5,median=50,min=1,max=100,sum=202,count=4i,complete=true`)
	want(Point{
		Color: "rouge, foncé=1", Statistics: four, Values: []float64{1e308, -1e-9, 0.1, 1e21},
		Sum: -math.MaxFloat64, Count: 1,
	}, `color_metrics,color=rouge\,\ foncé\=1 mean=1e+308,median=-1e-09,min=0.1,max=1e+21,`+
		`sum=-1.7976931348623157e+308,count=1i,complete=false`)
	want(Point{Color: `back\slash`, Approximate: true},
		`color_metrics,color=back\slash sum=0,count=0i,complete=false,exact=false`)
	want(Point{
		Color: "red", Statistics: Statistics{"p99.9", "stddev", "mean"},
		Values: []float64{7, math.NaN(), 8}, Sum: math.Inf(1), Count: 1,
	}, `color_metrics,color=red p99.9=7,mean=8,count=1i,complete=false`)
}

func BenchmarkAppendLine(b *testing.B) {
	p := Point{
		Color: "red", Statistics: DefaultStatistics(), Values: []float64{50.123, 50, 1, 100},
		Sum: 250.615, Count: 5, Start: time.Unix(1760000000, 0),
	}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = p.AppendLine(line[:0])
	}
}

func TestStatistics(t *testing.T) {
	want := func(text, list, problem string) {
		t.Helper()
		var got Statistics
		err := got.UnmarshalText([]byte(text))
		switch {
		case problem != "" && (err == nil || !strings.Contains(err.Error(), problem)):
			t.Errorf("%q: error %v, want one with %q", text, err, problem)
		case problem == "" && (err != nil || got.String() != list):
			t.Errorf("%q: %q, %v, want %q", text, got, err, list)
		}
	}
	want("mean,median,min,max", DefaultStatistics().String(), "")
	want(" p99.9 , stddev", "p99.9,stddev", "")
	want("p0.0001,p50,p99.9999", "p0.0001,p50,p99.9999", "")
	for entry, problem := range map[string]string{
		"": "an empty entry", "p95,,max": "an empty entry", "mean,max,mean": "names mean twice",
		"mean,sum": "sum is always written", "count": "count is always written",
		"average": `"average" is none of mean,median,min,max,stddev and p…`, "Mean": `"Mean" is none`,
		"complete": `"complete"`, "p": `"p"`, "p0": `"p0"`, "p100": `"p100"`, "mean,p101": `"p101"`,
		"p-5": `"p-5"`, "p095": `"p095"`, "p95.0": `"p95.0"`, "p95.": `"p95."`, "p.5": `"p.5"`,
		"p1e1": `"p1e1"`, "p99.99999": `"p99.99999"`, "p9_9": `"p9_9"`, "pNaN": `"pNaN"`,
		"p0x1": `"p0x1"`,
	} {
		want(entry, "", problem)
	}
}

func TestStatisticsInOrder(t *testing.T) {
	list := Statistics{"p99.9", "max", "p5", "stddev", "p95", "mean", "p50", "min", "median"}
	slices.SortFunc(list, Statistic.Compare)
	if got := list.String(); got != "mean,median,min,max,stddev,p5,p50,p95,p99.9" {
		t.Error(got)
	}
}
