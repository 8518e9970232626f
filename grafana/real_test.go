package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"colorstream/grafana/grafanatest"
	"colorstream/grafana/sample"
	"colorstream/influxdb/influxtest"
)

func TestMain(m *testing.M) { influxtest.Main(m) }

// fill writes known points that end now.
func fill(t *testing.T, db *influxtest.Server, length time.Duration) {
	t.Helper()
	db.Write(t, string(sample.Lines(sample.Points(time.Now(), length))))
}

// start starts a Grafana on a bucket with known points that end now, of some length, and waits
// until it has read the dashboards.
func start(t *testing.T, length time.Duration) (*grafanatest.Server, *influxtest.Server) {
	t.Helper()
	grafanatest.Need(t)
	db := influxtest.Shared(t).NewBucket(t)
	fill(t, db, length)
	g := grafanatest.Start(t, grafanatest.Options{Influx: db})
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One colour"))
	return g, db
}

// title returns a dashboard's title as an anonymous visitor sees it.
func title(g *grafanatest.Server, uid string) (string, error) {
	var answer struct{ Dashboard struct{ Title string } }
	status, err := g.Get("/api/dashboards/uid/"+uid, &answer)
	if status != http.StatusOK && err == nil {
		err = fmt.Errorf("dashboard %s: status %d", uid, status)
	}
	return answer.Dashboard.Title, err
}

func wantTitle(g *grafanatest.Server, uid, want string) func() error {
	return func() error {
		got, err := title(g, uid)
		if err == nil && got != want {
			err = fmt.Errorf("dashboard %s is called %q, want %q", uid, got, want)
		}
		return err
	}
}

func TestFirstStartShowsDataToEveryone(t *testing.T) {
	t.Parallel()
	grafanatest.Need(t)
	db := influxtest.Start(t) // its own: Grafana's health check reads no more than 20 buckets' names
	g := grafanatest.Start(t, grafanatest.Options{Influx: db})
	fill(t, db, 30*time.Minute)

	var home struct{ Dashboard struct{ UID string } }
	if status, err := g.Get("/api/dashboards/home", &home); err != nil ||
		status != http.StatusOK || home.Dashboard.UID != "colors" {
		t.Errorf("home: %d %v, uid %q", status, err, home.Dashboard.UID)
	}
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One colour"))
	if n, err := points(g, fluxOf(t, "colors/1/A")); err != nil || n < 100 {
		t.Errorf("an anonymous visitor's query: %v, %d points", err, n)
	}

	var health struct{ Status, Message string }
	const source = "/api/datasources/uid/colorstream-influxdb/health"
	if _, err := g.Call(true, http.MethodGet, source, nil, &health); err != nil ||
		health.Status != "OK" {
		t.Errorf("the data source's health: %v, %+v", err, health)
	}
	if err := db.TryWrite(t, db.GrafanaToken, "color_metrics,color=red mean=1 1"); err == nil {
		t.Error("Grafana's token may write")
	}
	other := db.NewBucket(t)
	fill(t, other, time.Minute)
	elsewhere := strings.ReplaceAll(fluxOf(t, "colors/1/A"), "v.defaultBucket", `"`+other.Bucket+`"`)
	if n, err := points(g, elsewhere); err == nil && n > 0 {
		t.Errorf("Grafana's token reads another bucket: %d points", n)
	}
	save := func(admin bool, dashboard map[string]any) int {
		body := map[string]any{"dashboard": dashboard}
		status, _ := g.Call(admin, http.MethodPost, "/api/dashboards/db", body, nil)
		return status
	}
	status := save(false, map[string]any{"title": "x"})
	if status != http.StatusForbidden && status != http.StatusUnauthorized {
		t.Errorf("an anonymous visitor saves a dashboard: status %d", status)
	}
	for line := range strings.Lines(g.Warnings()) {
		if strings.Contains(line, "level=error") && !strings.Contains(line, "provisioning.notifiers") {
			t.Errorf("Grafana complains: %s", line)
		}
	}

	// What people made in Grafana, and what was provisioned, outlives it.
	status = save(true, map[string]any{"uid": "mine", "title": "Mine", "schemaVersion": 42})
	if status != http.StatusOK {
		t.Fatalf("save a dashboard: status %d", status)
	}
	g.Restart(t)
	for uid, want := range map[string]string{
		"mine": "Mine", "colors": "Colours",
		"color": "One colour",
	} {
		grafanatest.Eventually(t, 10*time.Second, wantTitle(g, uid, want))
	}
	if n, err := points(g, fluxOf(t, "colors/1/A")); err != nil || n < 100 {
		t.Errorf("after a restart: %v, %d points", err, n)
	}
}

// points asks Grafana a query as an anonymous visitor's browser does, and
// counts what it gets.
func points(g *grafanatest.Server, flux string) (int, error) {
	var answer struct {
		Results map[string]struct {
			Error  string
			Frames []struct{ Data struct{ Values [][]any } }
		}
	}
	_, err := g.Call(false, http.MethodPost, "/api/ds/query", map[string]any{
		"from": "now-15m", "to": "now",
		"queries": []any{map[string]any{
			"refId": "A", "datasource": map[string]any{"type": "influxdb", "uid": "colorstream-influxdb"},
			"query":      flux,
			"intervalMs": 5000, "maxDataPoints": 500,
		}},
	}, &answer)
	if err != nil {
		return 0, err
	}
	n := 0
	for _, f := range answer.Results["A"].Frames {
		for _, column := range f.Data.Values {
			n += len(column)
		}
	}
	if text := answer.Results["A"].Error; text != "" {
		return n, errors.New(text)
	}
	return n, nil
}

// A file that Grafana cannot read must cost nothing but its own news.
func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	g, _ := start(t, 0)
	path := filepath.Join(g.Dashboards, "color.json")
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(path string, data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	rename := func(title string) []byte {
		return bytes.Replace(good, []byte("One colour"), []byte(title), 1)
	}

	write(path, rename("One of them"))
	grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "color", "One of them"))

	home := filepath.Join(g.Dashboards, "colors.json")
	was, err := os.ReadFile(home)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"half written": good[:len(good)/2], "emptied": {}, "no JSON": []byte("uid: color\n"),
	} {
		write(path, data)
		// Another file's edit shows that the folder was read with the broken file in it.
		next := "Colours beside a file that is " + name
		write(home, bytes.Replace(was, []byte(`"title": "Colours"`), []byte(`"title": "`+next+`"`), 1))
		grafanatest.Eventually(t, 30*time.Second, wantTitle(g, "colors", next))
		if err := wantTitle(g, "color", "One of them")(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}

	// A second file of the same uid and title stops updates, no more.
	write(path, rename("One of them"))
	double := filepath.Join(g.Dashboards, "double.json")
	write(double, rename("One of them"))
	grafanatest.Eventually(t, 40*time.Second, func() error {
		if !strings.Contains(g.Warnings(), "not unique") &&
			!strings.Contains(g.Warnings(), "restricted") {
			return errors.New("Grafana has not seen the duplicate yet")
		}
		return nil
	})
	for _, uid := range []string{"color", "colors"} {
		if _, err := title(g, uid); err != nil {
			t.Errorf("with a duplicate: %v", err)
		}
	}
	if err := os.Remove(double); err != nil {
		t.Fatal(err)
	}
	write(path, rename("One again"))
	grafanatest.Eventually(t, 50*time.Second, wantTitle(g, "color", "One again"))

	// An emptied folder: everything stays.
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(17 * time.Second) // one reading of the folder
	if err := wantTitle(g, "color", "One again")(); err != nil {
		t.Error(err)
	}
}
