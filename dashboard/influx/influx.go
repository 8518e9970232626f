// Package influx reads the colours' points from InfluxDB 2 with Flux.
//
// It returns whole points only: a point whose fields cannot all be read yet, because its write is still under way,
// is left out until a later read. Times are UTC. Every query carries a time range, so its cost is bounded by the
// caller; answers are bounded by the caller's context in time and by [maxRows] in size.
package influx

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"colorstream/influxdb/series"
)

// maxRows bounds the memory of one answer: a row is one field of one point. 10 000 colours have 60 000 rows in one
// window.
const maxRows = 2_000_000

// Config says where the points are.
type Config struct {
	URL    string
	Org    string
	Bucket string
	Token  string
}

// A Reader reads one bucket. Its methods are safe for concurrent use.
type Reader struct {
	config Config
	client influxdb2.Client
}

// New makes a reader. It connects when first used.
func New(config Config) *Reader {
	// The context bounds each request; a second limit inside the client would only confuse the errors.
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 8
	options := influxdb2.DefaultOptions().
		SetApplicationName("colorstream-dashboard").
		SetHTTPClient(&http.Client{Transport: transport})
	return &Reader{config, influxdb2.NewClientWithOptions(strings.TrimSuffix(config.URL, "/")+"/", config.Token, options)}
}

// Close gives the connections back.
func (r *Reader) Close() { r.client.Close() }

// Last returns each colour's newest point among those that start at or after since, by colour.
func (r *Reader) Last(ctx context.Context, since time.Time) ([]series.Point, error) {
	// A bare last() runs inside the storage engine: it reads one block per field, however long the range.
	return r.points(ctx, r.from(since, time.Time{})+"\n  |> last()\n  |> keep(columns: [\"_time\", \"_field\", \"_value\", \"color\"])")
}

// Between returns all points that start in [from, to), by colour and time.
func (r *Reader) Between(ctx context.Context, from, to time.Time) ([]series.Point, error) {
	return r.points(ctx, r.from(from, to)+"\n  |> keep(columns: [\"_time\", \"_field\", \"_value\", \"color\"])")
}

// from writes the head of every query. Without a stop, points of a clock ahead of InfluxDB's are found too.
func (r *Reader) from(start, stop time.Time) string {
	if stop.IsZero() {
		stop = time.Now().Add(24 * time.Hour)
	}
	return fmt.Sprintf("from(bucket: %s)\n  |> range(start: %s, stop: %s)\n  |> filter(fn: (r) => r._measurement == %q)",
		quote(r.config.Bucket), instant(start), instant(stop), series.Measurement)
}

// quote writes a Flux string literal. ${ would begin an interpolation.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `${`, `\${`, "\n", `\n`).Replace(s) + `"`
}

func instant(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// points runs a query whose rows are fields and puts the points together.
func (r *Reader) points(ctx context.Context, flux string) ([]series.Point, error) {
	type key struct {
		color string
		time  int64
	}
	parts := make(map[key]*partial)
	err := r.rows(ctx, flux, func(record *query.FluxRecord) {
		color, _ := record.ValueByKey(series.Color).(string)
		k := key{color, record.Time().UnixNano()}
		p := parts[k]
		if p == nil {
			p = &partial{}
			p.Color, p.Start = color, record.Time().UTC()
			parts[k] = p
		}
		p.set(record.Field(), record.Value())
	})
	if err != nil {
		return nil, err
	}
	points := make([]series.Point, 0, len(parts))
	for _, p := range parts {
		if p.have == all {
			points = append(points, p.Point)
		}
	}
	slices.SortFunc(points, func(a, b series.Point) int {
		if c := strings.Compare(a.Color, b.Color); c != 0 {
			return c
		}
		return a.Start.Compare(b.Start)
	})
	return points, nil
}

// rows runs a query and hands over its rows.
func (r *Reader) rows(ctx context.Context, flux string, row func(*query.FluxRecord)) error {
	// A QueryAPI of its own: sharing one is a data race in this version of the client.
	result, err := r.client.QueryAPI(r.config.Org).Query(ctx, flux)
	if err != nil {
		return r.explain(ctx, err)
	}
	defer result.Close()
	for n := 0; result.Next(); n++ {
		if n == maxRows {
			return &Error{summary: "InfluxDB's answer is too large", err: fmt.Errorf("more than %d values", maxRows)}
		}
		row(result.Record())
	}
	if err := result.Err(); err != nil {
		return r.explain(ctx, err)
	}
	return nil
}

// partial is a point some of whose fields have been read.
type partial struct {
	series.Point
	have fieldSet
}

type fieldSet uint

const (
	mean fieldSet = 1 << iota
	median
	minimum
	maximum
	count
	complete

	all = mean | median | minimum | maximum | count | complete
)

// set takes a field's value. A value of another type is someone else's and does not count.
func (p *partial) set(field string, value any) {
	switch v := value.(type) {
	case float64:
		switch field {
		case series.Mean:
			p.Mean, p.have = v, p.have|mean
		case series.Median:
			p.Median, p.have = v, p.have|median
		case series.Min:
			p.Min, p.have = v, p.have|minimum
		case series.Max:
			p.Max, p.have = v, p.have|maximum
		}
	case int64:
		if field == series.Count {
			p.Count, p.have = v, p.have|count
		}
	case bool:
		switch field {
		case series.Complete:
			p.Complete, p.have = v, p.have|complete
		case series.Exact:
			p.Approximate = !v
		}
	}
}

// Check tells whether the bucket can be read.
func (r *Reader) Check(ctx context.Context) error {
	_, err := r.Last(ctx, time.Now().Add(-time.Minute))
	return err
}
