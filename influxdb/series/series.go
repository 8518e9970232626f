// Package series is the contract of what InfluxDB holds: the worker writes it, the dashboards and
// the page read it.
//
// A point is the statistics of one colour over one window:
//
//	color_metrics,color=red mean=50.5,median=50,min=1,max=100,sum=202,count=4i,complete=true 1760000000000000000
//
// | part         | type    | unit              | meaning                                             |
// |--------------|---------|-------------------|-----------------------------------------------------|
// | color        | tag     | –                 | the colour                                          |
// | mean, median | float   | the messages' own | arithmetic mean; middle value, or the mean of two   |
// | min, max     | float   | the messages' own | smallest and largest value                          |
// | stddev, p95  | float   | the messages' own | sample standard deviation and any percentiles, see  |
// |              |         |                   | [Statistic]; absent unless WORKER_STATISTICS names  |
// |              |         |                   | them. The four above are absent if it does not      |
// | sum          | float   | the messages' own | the exact sum, rounded once                         |
// | count        | integer | messages          | messages in the window                              |
// | complete     | boolean | –                 | true: all that was published in the window is in it |
// | exact        | boolean | –                 | only ever false, and only present when the window   |
// |              |         |                   | passed its memory cap and its median and            |
// |              |         |                   | percentiles are approximate                         |
// | timestamp    | integer | ns since 1970 UTC | the window's start, so that every retry overwrites  |
//
// A float past a double's range is absent, and so is the stddev of one value.
//
// The mean over any range of time is the sum of sum divided by the sum of count. The text form is
// InfluxDB's line protocol
// (https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/).
//
// The package imports the standard library only.
package series

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// The names that writers and readers agree on.
const (
	Measurement = "color_metrics"
	Color       = "color" // the only tag
	Mean        = "mean"
	Median      = "median"
	Min         = "min"
	Max         = "max"
	StdDev      = "stddev"
	Sum         = "sum"
	Count       = "count"
	Complete    = "complete"
	Exact       = "exact"
)

// A Point is one colour's statistics over one window. Color must be one that generator/message
// accepts: line protocol can hold nothing else.
type Point struct {
	Color string
	// Statistics say what Values are. Points share them.
	Statistics Statistics
	Values     []float64 // NaN for what the window has not
	Sum        float64
	Count      int64
	Complete   bool
	// Approximate is written as exact=false.
	Approximate bool
	// Start is the window's first instant.
	Start time.Time
}

// Value returns a statistic, NaN if the point does not have it.
func (p *Point) Value(s Statistic) float64 {
	for i, name := range p.Statistics {
		if name == s {
			return p.Values[i]
		}
	}
	return math.NaN()
}

// Equal reports whether two points say the same.
func (p Point) Equal(q Point) bool {
	return p.Color == q.Color && p.Start.Equal(q.Start) && p.Count == q.Count && p.Sum == q.Sum &&
		p.Complete == q.Complete && p.Approximate == q.Approximate && p.within(&q) && q.within(&p)
}

// within reports whether q has the values of p.
func (p *Point) within(q *Point) bool {
	for i, name := range p.Statistics {
		if v := p.Values[i]; v == v && q.Value(name) != v {
			return false
		}
	}
	return true
}

// escaper escapes what would end a tag's value. Line protocol does not escape a backslash itself.
var escaper = strings.NewReplacer(",", `\,`, "=", `\=`, " ", `\ `)

// AppendLine appends p's line, without a line break, to dst.
func (p Point) AppendLine(dst []byte) []byte {
	dst = append(dst, Measurement+","+Color+"="...)
	if strings.ContainsAny(p.Color, ",= ") {
		dst = append(dst, escaper.Replace(p.Color)...)
	} else {
		dst = append(dst, p.Color...)
	}
	dst = append(dst, ' ')
	for i, name := range p.Statistics {
		dst = appendField(dst, string(name), p.Values[i])
	}
	dst = appendField(dst, Sum, p.Sum)
	dst = strconv.AppendInt(append(dst, Count+"="...), p.Count, 10)
	dst = strconv.AppendBool(append(dst, "i,"+Complete+"="...), p.Complete)
	if p.Approximate {
		dst = append(dst, ","+Exact+"=false"...)
	}
	return strconv.AppendInt(append(dst, ' '), p.Start.UnixNano(), 10)
}

// appendField appends the shortest digits that read back as f, and a comma. What is no number or
// infinite is left out: line protocol has neither.
func appendField(dst []byte, name string, f float64) []byte {
	if f-f != 0 {
		return dst
	}
	dst = append(append(dst, name...), '=')
	return append(strconv.AppendFloat(dst, f, 'g', -1, 64), ',')
}
