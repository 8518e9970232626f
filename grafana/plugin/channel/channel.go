// Package channel says what a panel can ask for, and writes it as the path of a Grafana Live
// channel and back.
//
// All panels that ask for the same thing have the same path, and Grafana runs one stream for all of
// them. The whole question is in the path, since Grafana hands on nothing else when it starts a
// stream:
//
//	windows/running/<statistic>[/<colour>…]   the open window as it grows, four times a second, and as it closes
//	windows/closed/<statistic>[/<colour>…]    closed windows, as they are in InfluxDB
//	messages[/<colour>…]                      messages as they come, sampled above a rate
//	rates[/<colour>…]                         messages of each second
//
// A statistic is count, or one of package series. Without colours a path means all of them. Grafana
// allows only ASCII letters, digits and some signs in a path; every other byte of a colour is
// written =XX, in hexadecimal. The colour 50% grün is 50=25=20gr=C3=BCn.
//
// The package is pure.
package channel

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"colorstream/influxdb/series"
)

// A Stream is a kind of what can be watched.
type Stream string

// The streams.
const (
	Running  Stream = "windows/running"
	Closed   Stream = "windows/closed"
	Messages Stream = "messages"
	Rates    Stream = "rates"
)

const (
	// maxColors is how many colours a query may name.
	maxColors = 50
	// maxChannel is the longest channel that Grafana takes, ds/<uid>/<path> in bytes.
	maxChannel = 160
)

// A Query is what a panel asks for. It is comparable by its Path.
type Query struct {
	Stream Stream
	// Statistic is that of a window; empty for other streams.
	Statistic series.Statistic
	// Colors are the wanted ones in their order; none means all.
	Colors []string
}

// FromJSON reads a query as the query editor and dashboards write it. What is not said has a
// default: the running mean of all colours.
func FromJSON(raw []byte) (Query, error) {
	var in struct {
		Stream, Show, Statistic string
		Colors                  []string
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Query{}, fmt.Errorf("the query is not understood: %w", err)
	}
	q := Query{Stream: Stream(in.Stream), Colors: clean(in.Colors)}
	if cmp.Or(in.Stream, "windows") == "windows" {
		q.Stream = Stream("windows/" + cmp.Or(in.Show, "running"))
		q.Statistic = series.Statistic(cmp.Or(in.Statistic, string(series.Mean)))
	}
	return q, q.validate()
}

// clean drops empty names and repetitions.
func clean(colors []string) []string {
	var out []string
	for _, c := range colors {
		if c != "" && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

func (q Query) validate() error {
	if !slices.Contains([]Stream{Running, Closed, Messages, Rates}, q.Stream) {
		return fmt.Errorf("stream is %q: it must be windows, which show running or closed, messages or rates",
			string(q.Stream))
	}
	windows := q.Stream == Running || q.Stream == Closed
	if windows && q.Statistic != series.Count && !q.Statistic.IsKnown() {
		return fmt.Errorf("statistic is %q: it must be mean, median, min, max, stddev, count or a "+
			"percentile such as p95", string(q.Statistic))
	}
	if n := len(q.Colors); n > maxColors {
		return fmt.Errorf("the query names %d colours: it may name %d, or none for all", n, maxColors)
	}
	return nil
}

// Path is the query as a channel's path.
func (q Query) Path() string {
	path := []string{string(q.Stream)}
	if q.Statistic != "" {
		path = append(path, string(q.Statistic))
	}
	for _, color := range q.Colors {
		path = append(path, escape(color))
	}
	return strings.Join(path, "/")
}

// Channel is the whole channel's name for a data source. It fails if that would be too long.
func (q Query) Channel(uid string) (string, error) {
	name := "ds/" + uid + "/" + q.Path()
	if len(name) > maxChannel {
		return "", fmt.Errorf("the names of the %d colours are too long together for a live query (%d bytes, at most %d): "+
			"choose fewer, or none for all", len(q.Colors), len(name), maxChannel)
	}
	return name, nil
}

// Parse reads a path. It takes only what Path writes, so that a query has one path.
func Parse(path string) (q Query, err error) {
	parts := strings.Split(path, "/")
	if parts[0] == "windows" && len(parts) > 2 {
		q.Statistic = series.Statistic(parts[2])
		parts = append([]string{parts[0] + "/" + parts[1]}, parts[3:]...)
	}
	q.Stream = Stream(parts[0])
	for _, part := range parts[1:] {
		color, err := url.QueryUnescape(strings.ReplaceAll(part, "=", "%"))
		if err != nil {
			return Query{}, err
		}
		q.Colors = append(q.Colors, color)
	}
	if q.Colors = clean(q.Colors); q.Path() != path {
		return Query{}, fmt.Errorf("%q is not how a query's path is written", path)
	}
	return q, q.validate()
}

// Grafana takes neither % nor + nor ~, and a path of dots might be tidied away.
var escaper = strings.NewReplacer("%", "=", "+", "=20", "~", "=7E", ".", "=2E")

func escape(color string) string { return escaper.Replace(url.QueryEscape(color)) }
