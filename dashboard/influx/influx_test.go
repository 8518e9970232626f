package influx

import (
	"context"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/access"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

func newReader(t *testing.T, db *influxtest.Server) *Reader {
	t.Helper()
	return open(t, Config{
		Config: access.Config{URL: db.URL, Org: db.Org, Bucket: db.Bucket}, Token: db.DashboardToken,
	})
}

func open(t *testing.T, c Config) *Reader {
	t.Helper()
	r, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// read is a point as it is read: without its sum.
func read(p series.Point) series.Point {
	p.Sum = 0
	return p
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
		Color: color, Start: start.UTC(), Statistics: series.DefaultStatistics(),
		Values: []float64{mean, mean + 1, mean - 2, mean + 2}, Sum: mean * 7, Count: 7, Complete: true,
	}
}

func TestPoints(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	r := newReader(t, db)
	now := time.Now().Truncate(5 * time.Second)
	at := func(n int) time.Time { return now.Add(time.Duration(n) * 5 * time.Second) }

	odd := `we"ird, $c0 \, ' = <img onerror=1>`
	approximate := point("blue", at(-3), 1e300)
	approximate.Approximate, approximate.Complete = true, false
	third := point("red", at(-3), 10./3)
	third.Sum = 10 // divided by seven it is another number
	write(t, db,
		third, point("red", at(-2), 20), point("red", at(-1), 30),
		approximate, point(odd, at(-1), -0.5), point("old", at(-10000), 1))

	last, err := r.Last(t.Context(), at(-100))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]series.Point{
		read(approximate), read(point("red", at(-1), 30)),
		read(point(odd, at(-1), -0.5)),
	}, last); diff != "" {
		t.Error("last:", diff)
	}
	since, err := r.Since(t.Context(), at(-1))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]series.Point{read(point("red", at(-1), 30)), read(point(odd, at(-1), -0.5))},
		since); diff != "" {
		t.Error("since:", diff)
	}
	steps, err := r.Steps(t.Context(), []string{"red", odd}, at(-3), at(-1), 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]series.Point{read(third), read(point("red", at(-2), 20))}, steps); diff != "" {
		t.Error("steps of a window:", diff)
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
	if err != nil || len(got) != 1 || got[0].Value("mean") != 10 {
		t.Errorf("got %v, %v; want the one before until the point is whole", got, err)
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
	good := Config{
		Config: access.Config{URL: db.URL, Org: db.Org, Bucket: db.Bucket}, Token: db.DashboardToken,
	}
	check := func(name string, change func(*Config), summary, detail string) {
		t.Helper()
		c := good
		change(&c)
		r := open(t, c)
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
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(503)
	}))
	t.Cleanup(busy.Close)
	closed := httptest.NewServer(nil)
	closed.Close()

	check("token", func(c *Config) { c.Token = "wrong" },
		"InfluxDB rejects the page's token", "INFLUX_TOKEN must be one")
	check("org", func(c *Config) { c.Org = "nobody" },
		"InfluxDB does not know the bucket or its organisation", `INFLUX_ORG="nobody"`)
	check("bucket", func(c *Config) { c.Bucket = "nothing" },
		"InfluxDB does not know the bucket or its organisation", `INFLUX_BUCKET="nothing"`)
	check("refused", func(c *Config) { c.URL = closed.URL },
		"InfluxDB does not answer: the connection is refused", "INFLUX_URL="+closed.URL)
	check("host", func(c *Config) { c.URL = "http://nowhere.invalid:8086" },
		"InfluxDB's host is unknown", "nowhere.invalid")
	check("slow", func(c *Config) { c.URL = slow.URL },
		"InfluxDB does not answer in time", "INFLUX_URL=")
	check("busy", func(c *Config) { c.URL = busy.URL },
		"InfluxDB is too busy", "503 Service Unavailable")
}

// A step's point is made of all messages in it.
func TestSteps(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	r := newReader(t, db)
	from := time.Now().Add(-time.Hour).Truncate(time.Minute).UTC()
	at := func(n int) time.Time { return from.Add(time.Duration(n) * 5 * time.Second) }
	few, many := point("red", at(0), 10), point("red", at(1), 20)
	few.Count, few.Sum, many.Count, many.Sum = 1, 10, 9, 180
	hole := point("red", at(12), 1)
	hole.Complete = false
	huge := point("blue", at(13), 1e308)
	huge.Sum = math.Inf(1)
	write(t, db, point("red", at(-1), 1000), few,
		many, hole, point("red", at(13), 5), huge, point("blue", at(14), 10), point("red", at(36), 1000))
	got, err := r.Steps(t.Context(), []string{"red", "blue"}, from, at(36), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	step := func(color string, start int, mean,
		median, low, high float64, count int64, complete bool,
	) series.Point {
		return series.Point{
			Color: color, Start: at(start), Statistics: series.DefaultStatistics(),
			Values: []float64{mean, median, low, high}, Count: count, Complete: complete,
		}
	}
	want := []series.Point{
		step("blue", 12, 5e307, 5e307, 8, 1e308, 14, true),
		step("red", 0, 19, 16, 8, 22, 10, true),
		step("red", 12, 3, 4, -1, 7, 14, false),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	medians, err := r.Values(t.Context(), "median", at(13))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Value{
		{"blue", at(13), 1e308},
		{"blue", at(14), 11},
		{"red", at(13), 6},
		{"red", at(36), 1001},
	}, medians); diff != "" {
		t.Error(diff)
	}
}

// Whatever the worker is told to compute is read; what a point does not have is NaN.
func TestOtherStatistics(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	r := newReader(t, db)
	from := time.Now().Add(-time.Hour).Truncate(time.Minute).UTC()
	at := func(n int) time.Time { return from.Add(time.Duration(n) * 5 * time.Second) }
	few := series.Statistics{"p99.9", series.StdDev, series.Max}
	p := func(start int, percentile, deviation, high float64) series.Point {
		return series.Point{
			Color: "red", Start: at(start), Statistics: few, Values: []float64{percentile, deviation, high},
			Sum: 4, Count: 2, Complete: true,
		}
	}
	write(t, db, point("red", at(0), 10), p(1, 3, 0.5, 9), p(2, 5, math.NaN(), 7))
	last, err := r.Last(t.Context(), from)
	if diff := cmp.Diff([]series.Point{read(p(2, 5, math.NaN(), 7))}, last); diff != "" || err != nil {
		t.Error("last:", err, diff)
	}
	since, err := r.Since(t.Context(), from)
	if diff := cmp.Diff([]series.Point{
		read(point("red", at(0), 10)), read(p(1, 3, 0.5, 9)),
		read(p(2, 5, math.NaN(), 7)),
	},
		since); diff != "" || err != nil {
		t.Error("since:", err, diff)
	}
	steps, err := r.Steps(t.Context(), []string{"red"}, from, at(12), time.Minute)
	want := series.Point{
		Color: "red", Start: from, Statistics: append(few, series.Mean, series.Median, series.Min),
		Values: []float64{4, 0.5, 12, 78. / 11, 11, 8}, Count: 11, Complete: true,
	}
	if diff := cmp.Diff([]series.Point{want}, steps); diff != "" || err != nil {
		t.Error("steps:", err, diff)
	}
	values, err := r.Values(t.Context(), "p99.9", from)
	if diff := cmp.Diff([]Value{{"red", at(1), 3}, {"red", at(2), 5}}, values); diff != "" || err != nil {
		t.Error("values:", err, diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("name,tags,time,mean\ncolor_metrics,color=red,1760000000000000000,50.5\n")
	f.Fuzz(func(t *testing.T, text string) {
		_ = parse(strings.NewReader(text), func(names []string) func(row) {
			l := newLayout(names)
			return func(w row) { l.point(w) }
		})
	})
}
