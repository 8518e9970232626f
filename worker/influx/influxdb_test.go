package influx

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"colorstream/influxdb/access"
	"colorstream/influxdb/influxtest"
	"colorstream/influxdb/series"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

// real makes a Client of a real InfluxDB's bucket.
func real(t *testing.T, db *influxtest.Server, change ...func(*Config)) *Client {
	t.Helper()
	return connectTo(t, db.URL, append([]func(*Config){func(c *Config) {
		c.Org, c.Bucket, c.Token = db.Org, db.Bucket, db.WorkerToken
	}}, change...)...)
}

// sendAll delivers lines and returns those that were rejected, with the reasons, and how many were
// too old.
func sendAll(
	t *testing.T, client *Client, lines ...string,
) (rejected, reasons []string, tooOld int) {
	t.Helper()
	seen := newTally()
	w := NewWriter(slog.New(slog.NewTextHandler(t.Output(), nil)), client.Write, seen)
	list, err := w.Write(t.Context(), once, []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		rejected, reasons = append(rejected, string(r.Line)), append(reasons, r.Reason)
	}
	return rejected, reasons, seen.rejected[TooOld]
}

func point(color string, count int64) string {
	p := series.Point{Color: color, Count: count, Start: time.Unix(1_760_000_000, 0)}
	return string(p.AppendLine(nil))
}

// colors reads each colour's count.
func colors(t *testing.T, db *influxtest.Server) map[string]int64 {
	t.Helper()
	got := map[string]int64{}
	for _, row := range db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: 0)
		|> filter(fn: (r) => r._measurement == "color_metrics" and r._field == "count")`) {
		got[row["color"].(string)] += row["_value"].(int64)
	}
	return got
}

// What a colour may be: package series writes it, InfluxDB gives it back the same, and no two are
// mixed up. Only a backslash at the end cannot be written.
func TestColorsOnTheWay(t *testing.T) {
	t.Parallel()
	db := influxtest.Start(t)
	client := real(t, db)
	want := map[string]int64{}
	var lines []string
	for i, color := range []string{
		`a\b`, `a\\b`, `a\\\b`, `\a`, `\\a`, `a\nb`, `a\"b`, `a"b`, `a'b`,
		`a,b`, `a\,b`, `a\\,b`, `a=b`, `a\=b`, `a\\=b`, `a b`, `a\ b`, `a\\ b`,
		`,`, `\,`, `=`, `\=`, ` `, `\ `, `a,`, `a\,`, `a=`, `a\=`, `a `, `a\ `, ` a`, `\ a`,
		`#a`, `é`, "a\u2028b", "a\u00a0b", "\ufeffa", strings.Repeat("x", 128), strings.Repeat(`\,`, 64),
	} {
		want[color] = int64(i + 1)
		lines = append(lines, point(color, int64(i+1)))
	}
	if rejected, reasons, _ := sendAll(t, client, lines...); rejected != nil {
		t.Fatalf("rejected: %q %q", rejected, reasons)
	}
	if diff := cmp.Diff(want, colors(t, db)); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	rows := db.Query(t, `from(bucket: "`+db.Bucket+`") |> range(start: 0)
		|> filter(fn: (r) => r.color == "a\\,b" and r._field == "count")`)
	if len(rows) != 1 || rows[0]["_value"] != want[`a\,b`] {
		t.Errorf("by its name: %v", rows)
	}
	db.Restart(t) // the index is read from the disk
	if diff := cmp.Diff(want, colors(t, db)); diff != "" {
		t.Errorf("after a restart (-want +got):\n%s", diff)
	}
	for _, color := range []string{`\`, `\\`, `a\`, `a\\`, `a\\\`} {
		if rejected, reasons, _ := sendAll(t, client, point(color, 1)); len(rejected) != 1 {
			t.Errorf("%s is taken", color)
		} else {
			t.Log(color, reasons)
		}
	}
}

func TestBadLinesAmongGood(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	client := real(t, db)
	good := []string{point("a", 1), point("b", 2), point("c", 3), point("d", 4)}
	bad := []string{
		"nonsense",
		"color_metrics,color=x count=x 1760000000000000000",
		`color_metrics,color=it's\ ': bad count=1i 1760000000000000000 1`,
		"color_metrics,color=x count=1i 99999999999999999999",
		"color_metrics,color=x mean=NaN 1760000000000000000",
		"color_metrics,color=" + strings.Repeat("x", 70_000) + " count=1i 1760000000000000000",
	}
	conflict := "color_metrics,color=e count=1.5 1760000000000000000"
	if err := client.Write(t.Context(), []byte(good[0])); err != nil {
		t.Fatal(err) // count is an integer from here on
	}
	rejected, reasons, _ := sendAll(t, client,
		good[1], bad[0], bad[1], good[2], bad[2], conflict, bad[3], bad[4], bad[5], good[3])
	if diff := cmp.Diff(slices.Insert(bad, 3, conflict), rejected); diff != "" {
		t.Errorf("rejected (-want +got):\n%s", diff)
	}
	for i, reason := range reasons {
		t.Logf("%.60s: %s", rejected[i], reason)
		if len(reason) > maxQuoted+10 || strings.Contains(reason, "color=") {
			t.Errorf("the reason of %.60s is %q", rejected[i], reason)
		}
	}
	if diff := cmp.Diff(map[string]int64{"a": 1, "b": 2, "c": 3, "d": 4}, colors(t, db)); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestRealAnswers(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	check := func(name string, class Class, text string, change func(*Config)) {
		t.Helper()
		client := real(t, db, change)
		for what, err := range map[string]error{
			"write": client.Write(t.Context(), []byte(point("a", 1))), "check": client.Check(t.Context()),
		} {
			answer, ok := errors.AsType[*WriteError](err)
			switch {
			case class == "" && err != nil:
				t.Errorf("%s, %s: %v", name, what, err)
			case class != "" && (!ok || answer.Class != class || !strings.Contains(err.Error(), text)):
				t.Errorf("%s, %s: %v (%+v)", name, what, err, answer)
			case err != nil:
				t.Logf("%s, %s: %v", name, what, err)
			}
		}
	}
	check("good", "", "", func(*Config) {})
	check("wrong token", Denied, "INFLUX_TOKEN", func(c *Config) { c.Token = "wrong" })
	check("no token", Denied, "INFLUX_TOKEN", func(c *Config) { c.Token = "" })
	check("a token that may only read", Denied, "may not write", func(c *Config) {
		c.Token = db.DashboardToken
	})
	check("wrong bucket", Missing, "INFLUX_BUCKET", func(c *Config) {
		c.Bucket, c.Token = "none", db.AdminToken
	})
	check("wrong organisation", Missing, "INFLUX_ORG", func(c *Config) { c.Org = "none" })
	check("wrong path", Missing, "INFLUX_URL", func(c *Config) { c.URL += "/grafana" })
	if n := colors(t, db)["a"]; n != 1 {
		t.Errorf("the check wrote something: %d", n)
	}
}

// setRetention changes how long the bucket keeps points.
func setRetention(t *testing.T, db *influxtest.Server, keep time.Duration) {
	t.Helper()
	var list struct {
		Buckets []struct{ ID string }
	}
	text, err := db.Get(t, db.AdminToken, "/api/v2/buckets?name="+db.Bucket)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	if err != nil || len(list.Buckets) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	change := fmt.Appendf(nil,
		`{"retentionRules":[{"type":"expire","everySeconds":%d,"shardGroupDurationSeconds":3600}]}`,
		int(keep.Seconds()))
	if _, err := (access.Client{URL: db.URL, Token: db.AdminToken}).Call(t.Context(), http.MethodPatch,
		"/api/v2/buckets/"+list.Buckets[0].ID, "application/json", change); err != nil {
		t.Fatal(err)
	}
}

// Points older than the bucket keeps cost no request more, however many there are.
func TestRetention(t *testing.T) {
	t.Parallel()
	db := influxtest.Shared(t).NewBucket(t)
	setRetention(t, db, time.Hour)
	requests := 0
	proxy := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		requests++
		target, _ := url.Parse(db.URL)
		r.SetURL(target)
	}})
	defer proxy.Close()
	client := real(t, db, func(c *Config) { c.URL = proxy.URL })
	now := time.Now().Truncate(time.Second)
	var lines []string
	want := map[string]int64{}
	for i := range 1000 {
		color := fmt.Sprintf("c%d dropped=9", i)
		at := now.Add(-time.Duration(i) * time.Minute).Add(-30 * time.Second)
		if i < 60 || i > 990 { // the last ones lie in shards that the new points create
			want[color] = int64(i + 1)
		}
		if i > 990 {
			at = now.Add(-time.Duration(i-990) * time.Second)
		}
		p := series.Point{Color: color, Count: int64(i + 1), Start: at}
		lines = append(lines, string(p.AppendLine(nil)))
	}
	rejected, reasons, tooOld := sendAll(t, client, lines...)
	if got := colors(t, db); len(got)+tooOld != 1000 || tooOld < 800 || requests != 1 {
		t.Errorf("%d stored, %d too old, %d requests", len(got), tooOld, requests)
	} else {
		for color, count := range want {
			if got[color] != count {
				t.Errorf("%s is %d, want %d", color, got[color], count)
			}
		}
	}
	if len(rejected) > 0 {
		t.Errorf("rejected: %q", reasons)
	}
	// With a conflict and a line that cannot be parsed among them.
	bad := []string{"nonsense", fmt.Sprintf("color_metrics,color=x count=1.5 %d", now.UnixNano())}
	requests = 0
	rejected, _, tooOld = sendAll(t, client, append(bad, lines[100:200]...)...)
	if diff := cmp.Diff(bad, rejected); diff != "" || tooOld != 100 || requests > 40 {
		t.Errorf("%d too old, %d requests, rejected (-want +got):\n%s", tooOld, requests, diff)
	}
}

// One request to a real InfluxDB.
func BenchmarkWrite(b *testing.B) {
	db := influxtest.Shared(b).NewBucket(b)
	client, err := New(Config{
		Config: access.Config{URL: db.URL, Org: db.Org, Bucket: db.Bucket}, Token: db.WorkerToken,
	})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for _, lines := range []int{4, 1000, 5000} {
		b.Run(fmt.Sprint(lines), func(b *testing.B) {
			i := int64(0)
			for b.Loop() {
				i++
				var text []byte
				for c := range lines {
					text = append(series.Point{
						Color: fmt.Sprint("color", c), Statistics: series.DefaultStatistics(),
						Values: []float64{float64(i), 0, 0, 0}, Count: i, Start: time.Unix(1_760_000_000+5*i, 0),
					}.AppendLine(text), '\n')
				}
				if err := client.Write(b.Context(), text); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "points/s")
		})
	}
}
