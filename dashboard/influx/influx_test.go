package influx

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

func newReader(t *testing.T, db *influxtest.Server) *Reader {
	t.Helper()
	r := New(Config{URL: db.URL, Org: db.Org, Bucket: db.Bucket, Token: db.DashboardToken})
	t.Cleanup(r.Close)
	return r
}

func write(t *testing.T, db *influxtest.Server, points ...series.Point) {
	t.Helper()
	var lines []string
	for _, p := range points {
		lines = append(lines, string(p.AppendLine(nil)))
	}
	db.Write(t, strings.Join(lines, "\n"))
}

func point(color string, start time.Time, mean float64) series.Point {
	return series.Point{
		Color: color, Start: start.UTC(), Mean: mean, Median: mean + 1, Min: mean - 2, Max: mean + 2, Count: 7, Complete: true,
	}
}

func TestLastAndBetween(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	r := newReader(t, db)
	now := time.Now().Truncate(5 * time.Second)
	at := func(n int) time.Time { return now.Add(time.Duration(n) * 5 * time.Second) }

	odd := `we"ird, ${x} = <img onerror=1>`
	approximate := point("blue", at(-3), 1e300)
	approximate.Approximate, approximate.Complete = true, false
	write(t, db,
		point("red", at(-3), 10), point("red", at(-2), 20), point("red", at(-1), 30),
		approximate, point(odd, at(-1), -0.5), point("old", at(-10000), 1))

	last, err := r.Last(t.Context(), at(-100))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]series.Point{approximate, point("red", at(-1), 30), point(odd, at(-1), -0.5)}, last); diff != "" {
		t.Error("last:", diff)
	}
	between, err := r.Between(t.Context(), at(-3), at(-1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]series.Point{approximate, point("red", at(-3), 10), point("red", at(-2), 20)}, between); diff != "" {
		t.Error("between:", diff)
	}
}

// A later point's missing field must not be made up from an earlier point.
func TestHalfWrittenPointIsLeftOut(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	r := newReader(t, db)
	now := time.Now().Truncate(5 * time.Second)
	write(t, db, point("red", now.Add(-10*time.Second), 10))
	half := series.Point{Color: "red", Start: now.Add(-5 * time.Second)}
	line := string(half.AppendLine(nil))
	db.Write(t, strings.Replace(line, "count=0i,", "", 1))
	got, err := r.Last(t.Context(), now.Add(-time.Hour))
	if err != nil || len(got) != 0 {
		t.Errorf("got %v, %v; want nothing until the point is whole", got, err)
	}
	db.Write(t, line)
	got, err = r.Last(t.Context(), now.Add(-time.Hour))
	if err != nil || len(got) != 1 || !got[0].Start.Equal(half.Start) {
		t.Errorf("got %v, %v; want the newer point", got, err)
	}
}

func TestErrorsTellWhatToDo(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	good := Config{URL: db.URL, Org: db.Org, Bucket: db.Bucket, Token: db.DashboardToken}
	check := func(name string, change func(*Config), summary, detail string) {
		t.Helper()
		c := good
		change(&c)
		r := New(c)
		defer r.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := r.Check(ctx)
		e, ok := err.(*Error)
		if !ok {
			t.Errorf("%s: got %v", name, err)
			return
		}
		if e.Summary() != summary || !strings.Contains(e.Error(), detail) {
			t.Errorf("%s: got %q\n%v\nwant %q and %q", name, e.Summary(), e, summary, detail)
		}
		if strings.Contains(e.Summary(), c.URL) || strings.Contains(e.Error(), good.Token) {
			t.Errorf("%s: gives too much away: %q, %v", name, e.Summary(), e)
		}
	}
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then is the client's leaving noticed
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) }))
	t.Cleanup(busy.Close)
	closed := httptest.NewServer(nil)
	closed.Close()

	check("token", func(c *Config) { c.Token = "wrong" }, "InfluxDB refuses the page's token", "INFLUX_TOKEN must be one")
	check("org", func(c *Config) { c.Org = "nobody" }, "InfluxDB does not know the bucket or its organisation", `INFLUX_ORG="nobody"`)
	check("bucket", func(c *Config) { c.Bucket = "nothing" }, "InfluxDB does not know the bucket or its organisation", `INFLUX_BUCKET="nothing"`)
	check("refused", func(c *Config) { c.URL = closed.URL }, "InfluxDB does not answer: the connection is refused", "INFLUX_URL="+closed.URL)
	check("host", func(c *Config) { c.URL = "http://nowhere.invalid:8086" }, "InfluxDB's host is unknown", "nowhere.invalid")
	check("slow", func(c *Config) { c.URL = slow.URL }, "InfluxDB does not answer in time", "INFLUX_URL=")
	check("busy", func(c *Config) { c.URL = busy.URL }, "InfluxDB is too busy", "503 Service Unavailable")
}

func TestHistory(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	r := newReader(t, db)
	from := time.Now().Add(-time.Hour).Truncate(time.Minute).UTC()
	at := func(n int) time.Time { return from.Add(time.Duration(n) * 5 * time.Second) }
	write(t, db,
		point("red", at(-1), 1000), point("red", at(0), 10), point("red", at(1), 20), point("red", at(11), 30),
		point("red", at(24), 7), point("blue", at(12), 1), point("red", at(36), 1000))
	check := func(statistic string, step time.Duration, want ...Line) {
		t.Helper()
		got, err := r.History(t.Context(), statistic, from, from.Add(3*time.Minute), step)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s by %v: %s", statistic, step, diff)
		}
	}
	check(series.Mean, time.Minute,
		Line{"blue", []Value{{at(12), 1}}}, Line{"red", []Value{{at(0), 20}, {at(24), 7}}})
	check(series.Max, time.Minute,
		Line{"blue", []Value{{at(12), 3}}}, Line{"red", []Value{{at(0), 32}, {at(24), 9}}})
	check(series.Min, 5*time.Second,
		Line{"blue", []Value{{at(12), -1}}}, Line{"red", []Value{{at(0), 8}, {at(1), 18}, {at(11), 28}, {at(24), 5}}})
	if _, err := r.History(t.Context(), `mean") |> drop(`, from, at(1), time.Second); err == nil {
		t.Error("an unknown statistic is asked of InfluxDB")
	}
}
