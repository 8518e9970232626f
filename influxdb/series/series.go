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
// | sum          | float   | the messages' own | the exact sum, rounded once; absent past a double's |
// |              |         |                   | range                                               |
// | count        | integer | messages          | messages in the window                              |
// | complete     | boolean | –                 | true: all that was published in the window is in it |
// | exact        | boolean | –                 | only ever false, and only present when the window   |
// |              |         |                   | passed its memory cap and its median is approximate |
// | timestamp    | integer | ns since 1970 UTC | the window's start, so that every retry overwrites  |
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
	Sum         = "sum"
	Count       = "count"
	Complete    = "complete"
	Exact       = "exact"
)

// A Point is one colour's statistics over one window. Color must be one that generator/message
// accepts, and all floats but Sum must be finite: line protocol can hold nothing else.
type Point struct {
	Color                       string
	Mean, Median, Min, Max, Sum float64
	Count                       int64
	Complete                    bool
	// Approximate is written as exact=false.
	Approximate bool
	// Start is the window's first instant.
	Start time.Time
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
	dst = appendFloat(append(dst, " "+Mean+"="...), p.Mean)
	dst = appendFloat(append(dst, ","+Median+"="...), p.Median)
	dst = appendFloat(append(dst, ","+Min+"="...), p.Min)
	dst = appendFloat(append(dst, ","+Max+"="...), p.Max)
	if !math.IsInf(p.Sum, 0) { // line protocol has no infinity
		dst = appendFloat(append(dst, ","+Sum+"="...), p.Sum)
	}
	dst = strconv.AppendInt(append(dst, ","+Count+"="...), p.Count, 10)
	dst = strconv.AppendBool(append(dst, "i,"+Complete+"="...), p.Complete)
	if p.Approximate {
		dst = append(dst, ","+Exact+"=false"...)
	}
	return strconv.AppendInt(append(dst, ' '), p.Start.UnixNano(), 10)
}

// appendFloat appends the shortest digits that read back as f.
func appendFloat(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'g', -1, 64) }
