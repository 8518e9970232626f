package history

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
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
	c := &comparison{
		importer: i, client: client, lines: make(map[string]string), keys: make(map[string]string),
	}
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
	var text []byte
	err = i.windows(ctx, func(p *window.Pane) (err error) {
		text, _ = i.encode(text[:0], p)
		c.add(text, p.Start)
		if len(c.lines) >= maxCompared {
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
	text = fmt.Appendf(nil, "%d points are in the bucket already, with other values:", i.conflicts)
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

// A comparison finds the points of the import in the bucket.
type comparison struct {
	*importer
	client   *influx.Client
	lines    map[string]string // fields by series and time, as line protocol has them
	from, to int64
	keys     map[string]string // series by colour
	examples []string
	last     time.Time
}

// add takes the lines of a window.
func (c *comparison) add(lines []byte, start int64) {
	if len(c.lines) == 0 {
		c.from = start
	}
	c.to = start
	for line := range bytes.Lines(lines) {
		// No field holds a space: the fields are between the last two.
		line := strings.TrimSuffix(string(line), "\n")
		end := strings.LastIndexByte(line, ' ')
		begin := strings.LastIndexByte(line[:end], ' ')
		c.lines[line[:begin]+line[end:]] = "," + line[begin+1:end] + ","
	}
}

// compare reads what the bucket has of the lines, and drops them.
func (c *comparison) compare(ctx context.Context) error {
	if len(c.lines) == 0 {
		return nil
	}
	err := c.query(ctx, c.from, c.to, "", func(r *query.FluxRecord) {
		color, _ := r.ValueByKey(series.Color).(string)
		key, ok := c.keys[color]
		if !ok {
			line := string(series.Point{Color: color}.AppendLine(nil))
			line = line[:strings.LastIndexByte(line, ' ')]
			key = line[:strings.LastIndexByte(line, ' ')] + " "
			c.keys[color] = key
		}
		key += strconv.FormatInt(r.Time().UnixNano(), 10)
		fields, ok := c.lines[key]
		name := series.Statistic(r.Field())
		if name.IsKnown() && !slices.Contains(c.config.Statistics, name) {
			return // another worker's choice, which the import leaves as it is
		}
		if !ok || strings.Contains(fields, ","+r.Field()+"="+fieldText(r.Value())+",") {
			return
		}
		delete(c.lines, key) // one of its fields suffices
		c.conflicts++
		c.last = r.Time()
		if len(c.examples) < maxShown {
			_, now, _ := strings.Cut(fields, ","+r.Field()+"=")
			now, _, _ = strings.Cut(now, ",")
			if now == "" {
				now = "absent"
			}
			c.examples = append(c.examples, fmt.Sprintf("%s %s: %s is %v and would be %s",
				color, r.Time().Format(time.RFC3339), r.Field(), r.Value(), strings.TrimSuffix(now, "i")))
		}
	})
	clear(c.lines)
	return err
}

// fieldText is a value as line protocol has it.
func fieldText(value any) string {
	switch v := value.(type) {
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	case int64:
		return strconv.FormatInt(v, 10) + "i"
	}
	return fmt.Sprint(value)
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
