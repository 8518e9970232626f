package series

import (
	"math"
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
	want(Point{Color: "red", Mean: 50.5, Median: 50, Min: 1, Max: 100, Sum: 202, Count: 4, Complete: true},
		`color_metrics,color=red mean=50.5,median=50,min=1,max=100,sum=202,count=4i,complete=true`)
	want(Point{
		Color: "rouge, foncé=1", Mean: 1e308, Median: -1e-9, Min: 0.1, Max: 1e21,
		Sum: -math.MaxFloat64, Count: 1,
	}, `color_metrics,color=rouge\,\ foncé\=1 mean=1e+308,median=-1e-09,min=0.1,max=1e+21,`+
		`sum=-1.7976931348623157e+308,count=1i,complete=false`)
	want(Point{Color: `back\slash`, Approximate: true},
		`color_metrics,color=back\slash mean=0,median=0,min=0,max=0,sum=0,count=0i,complete=false,exact=false`)
}

func BenchmarkAppendLine(b *testing.B) {
	p := Point{
		Color: "red", Mean: 50.123, Median: 50, Min: 1, Max: 100, Sum: 250.615, Count: 5,
		Start: time.Unix(1760000000, 0),
	}
	var line []byte
	b.ReportAllocs()
	for b.Loop() {
		line = p.AppendLine(line[:0])
	}
}

func TestInfiniteSumIsLeftOut(t *testing.T) {
	p := Point{Color: "red", Mean: 1e308, Median: 1e308, Min: 1e308, Max: 1e308, Sum: math.Inf(1), Count: 2, Start: time.Unix(0, 0)}
	got := string(p.AppendLine(nil))
	want := "color_metrics,color=red mean=1e+308,median=1e+308,min=1e+308,max=1e+308,count=2i,complete=false 0"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
