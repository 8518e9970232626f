package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"colorstream/influxdb/influxtest"
)

type scraperState struct{ Name, URL, BucketID, OrgID string }

func scrapers(t *testing.T, db *influxtest.Server) map[string]string {
	t.Helper()
	var found struct{ Configurations []scraperState }
	get(t, db, http.MethodGet, "/api/v2/scrapers", "", &found)
	org := orgID(t, db)
	byName := map[string]string{}
	full := map[string]bool{}
	for _, s := range found.Configurations {
		if s.OrgID != org {
			continue
		}
		wrong(t, full[s.Name], "there are two scrapers %q", s.Name)
		full[s.Name] = true
		if _, rest, ours := strings.Cut(s.Name, "colorstream "); ours {
			_, s.Name, _ = strings.Cut(rest, " ") // without the stack's id
		}
		byName[s.Name] = s.URL
	}
	return byName
}

// Scrapers are made, kept, changed and deleted by name; others' stay.
func TestScrapers(t *testing.T) {
	t.Parallel()
	db, environ := ownOrg(t)
	dir := t.TempDir()
	check := func(scrape string, want map[string]string) (out string) {
		t.Helper()
		environ["INFLUX_SCRAPE"] = scrape
		out = mustRun(t, db, dir, environ)
		equal(t, "INFLUX_SCRAPE="+scrape, want, scrapers(t, db))
		return out
	}
	want := map[string]string{
		"a color_data": "http://127.0.0.1:1/metrics", "b color_data": "http://u:secret-word@127.0.0.1:2/",
	}
	const both = "a=http://127.0.0.1:1/metrics,b=http://u:secret-word@127.0.0.1:2/"
	if out := check(both, want); strings.Contains(out, "secret-word") {
		t.Errorf("a password is in the log:\n%s", out)
	}
	if out := check(both, want); strings.Contains(out, "scraper=") {
		t.Errorf("the second run changes something:\n%s", out)
	}
	var pipeline struct{ Buckets []bucketState }
	get(t, db, http.MethodGet, "/api/v2/buckets?org="+db.Org+"&name=pipeline", "", &pipeline)
	if got := pipeline.Buckets[0].RetentionRules[0].EverySeconds; got != 168*3600 {
		t.Errorf("the bucket keeps %d s", got)
	}
	org := orgID(t, db)
	add := func(name, url string) {
		body := fmt.Sprintf(`{"name":%q,"type":"prometheus","url":%q,"orgID":%q,"bucketID":%q}`,
			name, url, org, pipeline.Buckets[0].ID)
		get(t, db, http.MethodPost, "/api/v2/scrapers", body, nil)
	}
	add("mine", "http://127.0.0.1:3/")
	// Somebody has doubled one of ours.
	add("colorstream "+readFile(t, dir, ".stack")+" a color_data", "http://127.0.0.1:4/")
	check("a=http://127.0.0.1:9/metrics", map[string]string{
		"a color_data": "http://127.0.0.1:9/metrics", "mine": "http://127.0.0.1:3/",
	})
	check("off", map[string]string{"mine": "http://127.0.0.1:3/"})
	all := map[string]string{"mine": "http://127.0.0.1:3/"}
	for name, port := range map[string]string{
		"generator": "8052", "worker": "8051", "page": "8050", "influxdb": "8086",
	} {
		all[name+" color_data"] = "http://127.0.0.1:" + port + "/metrics"
	}
	check("", all)
	// What somebody reads into the bucket anyway is not read twice.
	delete(all, "worker color_data")
	all["page color_data"] = "http://127.0.0.1:8/"
	check("generator=http://127.0.0.1:8052/metrics,influxdb=http://127.0.0.1:8086/metrics,"+
		"page=http://127.0.0.1:8/,x=http://127.0.0.1:3/", all)
}

func orgID(t *testing.T, db *influxtest.Server) string {
	t.Helper()
	var orgs struct{ Orgs []struct{ ID string } }
	get(t, db, http.MethodGet, "/api/v2/orgs?org="+db.Org, "", &orgs)
	return orgs.Orgs[0].ID
}

// InfluxDB, hardened as it is, reads metrics on the loopback into the bucket, and Grafana's token
// alone sees them.
func TestInfluxDBScrapes(t *testing.T) {
	t.Parallel()
	db := influxtest.StartEmpty(t)
	dir := filepath.Join(t.TempDir(), "tokens")
	var asked atomic.Int64
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := asked.Add(1)
		fmt.Fprintf(w, "# TYPE colorstream_test_total counter\ncolorstream_test_total{program=\"worker\"} %d\n"+
			"# TYPE colorstream_test_seconds histogram\ncolorstream_test_seconds_bucket{le=\"0.5\"} 1\n"+
			"colorstream_test_seconds_bucket{le=\"+Inf\"} 2\ncolorstream_test_seconds_sum 3\ncolorstream_test_seconds_count 2\n", n)
	}))
	t.Cleanup(target.Close)
	mustRun(t, db, dir, map[string]string{"INFLUX_SCRAPE": "worker=" + target.URL + "/metrics"})
	own := *db
	own.Bucket = "pipeline"
	all := tokens(t, dir)
	const flux = `from(bucket: "pipeline") |> range(start: -1h) |> last() |> group() |> keep(columns: ["_measurement", "_field", "_value", "program"])`
	want := map[string]float64{
		"colorstream_test_total worker counter": 1,
		"colorstream_test_seconds  0.5":         1, "colorstream_test_seconds  +Inf": 2,
		"colorstream_test_seconds  sum": 3, "colorstream_test_seconds  count": 2,
	}
	got := map[string]float64{}
	for deadline := time.Now().Add(30 * time.Second); len(got) == 0 &&
		time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		rows, err := own.TryQuery(t, all["grafana"], flux)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			program, _ := row["program"].(string)
			got[fmt.Sprint(row["_measurement"], " ", program, " ", row["_field"])] = row["_value"].(float64)
		}
	}
	if got["colorstream_test_total worker counter"] >= 1 {
		// it may have come twice
		want["colorstream_test_total worker counter"] = got["colorstream_test_total worker counter"]
	}
	equal(t, "metrics", want, got)
	for name, token := range all {
		if _, err := own.TryQuery(t, token, flux); (err == nil) != (name == "grafana") {
			t.Errorf("%s reads the metrics: %v", name, err)
		}
		if err := own.TryWrite(t, token, "m f=1"); err == nil {
			t.Errorf("%s writes metrics", name)
		}
	}
}

func TestScrapeText(t *testing.T) {
	t.Parallel()
	var got targets
	if err := got.UnmarshalText([]byte("b=https://h/m?x=y, a=http://h:1/metrics")); err != nil {
		t.Fatal(err)
	}
	equal(t, "targets", targets{"a": "http://h:1/metrics", "b": "https://h/m?x=y"}, got)
	for _, text := range []string{
		"a", "=http://h/", "a=h:1/metrics", "a=http:///m", "a=http://h/,",
		"a=http://h/,a=http://h/",
	} {
		if err := new(targets).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
