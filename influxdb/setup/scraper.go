package setup

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// A Scraper has InfluxDB itself read a program's metrics, in Prometheus's text format, every ten
// seconds into a bucket: the measurement is the metric's name, its labels are tags, and the fields
// are counter, gauge, or a histogram's bounds, sum and count. The target's name is not among the
// tags.
//
// InfluxDB's hardening, which keeps Flux from reaching private addresses, does not concern it: only
// administrators make scrapers.
type Scraper struct {
	Name   string
	URL    string
	Bucket string // of the plan
}

type scraper struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	URL      string `json:"url"`
	OrgID    string `json:"orgID"`
	BucketID string `json:"bucketID"`
}

// ensureScrapers makes this stack's scrapers those of its plan. What another scraper reads into the
// same bucket is not read twice.
func (s *server) ensureScrapers(ctx context.Context) error {
	want := map[string]scraper{}
	for _, w := range s.plan.Scrapers {
		name := s.mark + w.Name + " " + s.plan.Buckets[0].Name
		want[name] = scraper{
			Name: name, Type: "prometheus", URL: w.URL, OrgID: s.orgID, BucketID: s.buckets[w.Bucket].ID,
		}
	}
	var found struct{ Configurations []scraper }
	err := s.api.call(ctx, http.MethodGet, "/api/v2/scrapers",
		url.Values{"orgID": {s.orgID}}, nil, &found)
	if err != nil {
		return err
	}
	have, others := map[string]scraper{}, map[scraper]bool{}
	for _, old := range found.Configurations {
		if !strings.HasPrefix(old.Name, s.mark) || old.OrgID != s.orgID {
			others[scraper{URL: old.URL, BucketID: old.BucketID}] = true
			continue
		}
		_, wanted := want[old.Name]
		if _, twice := have[old.Name]; twice || !wanted {
			if err := s.api.remove(ctx, "/api/v2/scrapers/"+old.ID); err != nil {
				return fmt.Errorf("delete %q: %w", old.Name, err)
			}
			s.log.Info("scraper deleted", "scraper", old.Name, "url", redacted(old.URL))
			continue
		}
		have[old.Name] = old
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		target := want[name]
		if others[scraper{URL: target.URL, BucketID: target.BucketID}] {
			continue
		}
		method, path := http.MethodPost, "/api/v2/scrapers"
		if target.ID = have[name].ID; target.ID != "" {
			method, path = http.MethodPatch, path+"/"+target.ID
		}
		if have[name] == target {
			continue
		}
		if err := s.api.call(ctx, method, path, nil, target, nil); err != nil {
			return fmt.Errorf("%q: %w", name, err)
		}
		s.log.Info("InfluxDB scrapes", "scraper", name, "url", redacted(target.URL),
			"before", cmp.Or(redacted(have[name].URL), "nothing"))
	}
	return nil
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an unreadable address"
	}
	return u.Redacted()
}
