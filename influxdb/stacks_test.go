package main

import (
	"fmt"
	"maps"
	"strings"
	"testing"
)

// Stacks at one InfluxDB leave each other's tokens and scrapers alone, however often each is set
// up.
func TestStacksShareAServer(t *testing.T) {
	t.Parallel()
	type stack struct{ dir, bucket, scrape string }
	for name, second := range map[string]stack{
		"other bucket": {bucket: "other"}, "other folder": {bucket: "color_data"},
	} {
		t.Run(strings.ReplaceAll(name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			db, environ := ownOrg(t)
			first := stack{bucket: "color_data"}
			stacks := []*stack{&first, &second}
			before := []map[string]string{{}, {}}
			wantScrapers := map[string]string{}
			for round := range 2 {
				for i, s := range stacks {
					if round == 0 {
						s.dir = t.TempDir()
						url := fmt.Sprintf("http://127.0.0.1:%d/metrics", i+1)
						s.scrape = fmt.Sprintf("worker%d=%s", i, url)
						wantScrapers[fmt.Sprintf("worker%d %s", i, s.bucket)] = url
					}
					environ["INFLUX_BUCKET"], environ["INFLUX_SCRAPE"] = s.bucket, s.scrape
					out := mustRun(t, db, s.dir, environ)
					if round == 0 {
						before[i] = tokens(t, s.dir)
					} else if strings.Contains(out, "made") || strings.Contains(out, "delete") {
						t.Errorf("the second run changes something:\n%s", out)
					}
				}
			}
			for i, s := range stacks {
				equal(t, "tokens changed", before[i], tokens(t, s.dir))
				own := *db
				own.Bucket = s.bucket
				checkPowers(t, &own, s.dir)
			}
			equal(t, "scrapers", wantScrapers, scrapers(t, db))
		})
	}
}

// A stack that goes over to another bucket takes back what it had for the old one.
func TestStackChangesItsBucket(t *testing.T) {
	t.Parallel()
	db, environ := ownOrg(t)
	dir := t.TempDir()
	mustRun(t, db, dir, environ)
	old := tokens(t, dir)
	environ["INFLUX_BUCKET"] = "other"
	mustRun(t, db, dir, environ)
	own := *db
	own.Bucket = "other"
	checkPowers(t, &own, dir)
	for name, token := range old {
		if _, err := db.Get(t, token, "/api/v2/buckets"); err == nil {
			t.Errorf("the old token of %s is still good", name)
		}
	}
	if n := len(authorizations(t, db)); n != len(old) {
		t.Errorf("there are %d tokens", n)
	}
	for name := range maps.Keys(scrapers(t, db)) {
		wrong(t, !strings.HasSuffix(name, " other"), "scraper %q", name)
	}
}
