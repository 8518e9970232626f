package history

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"colorstream/generator/service"
	"colorstream/generator/source"
	"colorstream/influxdb/series"
	"colorstream/worker/influx"
	"colorstream/worker/window"
)

const (
	// maxFilter is how many colours a query names; beyond, it reads those of others too.
	maxFilter = 50
	// maxCompared is how many points are compared at a time.
	maxCompared = 20_000
	// maxShown is how many conflicts are told one by one.
	maxShown = 5
)

// reader is a client that may read the bucket. If there is none, points are overwritten only if
// that was asked for, and reader is nil.
func (i *importer) reader(ctx context.Context) (*influx.Client, error) {
	client, err := i.config.client(cmp.Or(i.config.ReadToken, i.config.Token))
	if err != nil {
		return nil, service.Usage(err)
	}
	c := &comparison{importer: i, client: client}
	err = c.query(ctx, 0, 0, "", func(*query.FluxRecord) {})
	switch {
	case err == nil:
		return client, nil
	case i.config.ReadToken != "" || ctx.Err() != nil:
		return nil, fmt.Errorf("read the bucket with INFLUX_READ_TOKEN: %w", err)
	case i.overwrite:
		i.log.Warn("points are overwritten without a look at what is there: " +
			"INFLUX_READ_TOKEN_FILE is not set")
		return nil, nil
	}
	return nil, service.Usage(errors.New("import cannot tell which points it would overwrite: set " +
		"INFLUX_READ_TOKEN_FILE (or INFLUX_READ_TOKEN) to a token that may read the bucket, " +
		"or pass --overwrite"))
}

// look reads the bucket and finds the points that are there with other values. Unless they are to
// be overwritten, they are an error.
func (i *importer) look(ctx context.Context, client *influx.Client) error {
	c := &comparison{importer: i, client: client, points: make(map[pointKey]series.Point)}
	found := false
	err := c.query(ctx, i.first-int64(i.config.Window), i.last,
		`|> filter(fn: (r) => r._field == "`+series.Count+`") |> first()`,
		func(*query.FluxRecord) { found = true })
	if err != nil {
		return err
	}
	if !found {
		return nil // nothing of these colours and times
	}
	i.begin("comparing", int64(i.sorter.Len()))
	err = i.windows(ctx, func(p *window.Pane) (err error) {
		if len(c.points) == 0 {
			c.from = p.Start
		}
		c.to = p.Start
		for _, point := range p.Points() {
			c.points[pointKey{p.Start, point.Color}] = point
		}
		if len(c.points) >= maxCompared {
			err = c.compare(ctx)
		}
		return err
	}, func(source.Record) {})
	if err == nil {
		err = c.compare(ctx)
	}
	if err != nil || i.conflicts == 0 {
		return err
	}
	text := fmt.Appendf(nil, "%d points are in the bucket already, with other values:", i.conflicts)
	for _, example := range c.examples {
		text = append(text, "\n  "+example...)
	}
	if more := i.conflicts - int64(len(c.examples)); more > 0 {
		text = fmt.Appendf(text, "\n  and %d more, up to %s", more, c.last.Format(time.RFC3339))
	}
	if !i.overwrite {
		i.conflicts = 0
		return fmt.Errorf("%s\nnothing was written: --overwrite replaces them "+
			"(files add up only if they are given together)", text)
	}
	i.log.Warn("points are overwritten: " + string(text))
	return nil
}

// A pointKey is a point's window and series.
type pointKey struct {
	start int64
	color string
}

// A comparison finds the points of the import in the bucket.
type comparison struct {
	*importer
	client   *influx.Client
	points   map[pointKey]series.Point
	from, to int64 // the first and the last window of points
	examples []string
	last     time.Time
}

// compare reads what the bucket has of the points, and drops them.
func (c *comparison) compare(ctx context.Context) error {
	if len(c.points) == 0 {
		return nil
	}
	err := c.query(ctx, c.from, c.to, "", func(r *query.FluxRecord) {
		color, _ := r.ValueByKey(series.Color).(string)
		key := pointKey{r.Time().UnixNano(), color}
		point, ok := c.points[key]
		if !ok {
			return
		}
		value, ok := field(point, r.Field())
		if !ok || value == r.Value() {
			return
		}
		delete(c.points, key) // one of its fields suffices
		c.conflicts++
		c.last = r.Time()
		if len(c.examples) < maxShown {
			c.examples = append(c.examples, fmt.Sprintf("%s %s: %s is %v and would be %v", color,
				r.Time().Format(time.RFC3339), r.Field(), r.Value(), cmp.Or(value, "absent")))
		}
	})
	clear(c.points)
	return err
}

// field is what a point would write there, nil for nothing. It is not ok if that is another
// worker's choice, which the import leaves as it is.
func field(p series.Point, name string) (value any, ok bool) {
	float := func(f float64) any {
		if f-f != 0 {
			return nil
		}
		return f
	}
	switch s := series.Statistic(name); {
	case slices.Contains(p.Statistics, s):
		return float(p.Value(s)), true
	case s.IsKnown():
		return nil, false
	case name == series.Sum:
		return float(p.Sum), true
	case name == series.Count:
		return p.Count, true
	case name == series.Complete:
		return p.Complete, true
	case name == series.Exact && p.Approximate:
		return false, true
	}
	return nil, true
}

// query reads the points that begin at an instant from from to to. Only the colours of the import
// matter; if they are few, others are not read.
func (c *comparison) query(
	ctx context.Context, from, to int64, rest string, each func(*query.FluxRecord),
) error {
	var flux strings.Builder
	fmt.Fprintf(&flux, "from(bucket: %s) |> range(start: time(v: %d), stop: time(v: %d)) "+
		"|> filter(fn: (r) => r._measurement == %s",
		fluxString(c.config.Influx.Bucket), from, to+1, fluxString(series.Measurement))
	if n := len(c.colors); n > 0 && n <= maxFilter {
		var tests []string
		for color := range c.colors {
			tests = append(tests, "r."+series.Color+" == "+fluxString(color))
		}
		slices.Sort(tests)
		flux.WriteString(" and (" + strings.Join(tests, " or ") + ")")
	}
	flux.WriteString(") " + rest)
	return c.client.Query(ctx, flux.String(), each)
}

func fluxString(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(text) + `"`
}
