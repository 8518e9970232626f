package setup

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A Scraper has InfluxDB itself read a program's metrics, in Prometheus's text
// format, every ten seconds into a bucket: the measurement is the metric's
// name, its labels are tags, and the fields are counter, gauge, or a
// histogram's bounds, sum and count. The target's name is not among the tags.
//
// InfluxDB's hardening, which keeps Flux from reaching private addresses, does
// not concern it: only administrators make scrapers.
type Scraper struct {
	Name   string
	URL    string
	Bucket string // of the plan
}

// scraperPrefix begins the names of scrapers that are this program's: others'
// are left alone.
const scraperPrefix = "colorstream "

type scraper struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	URL      string `json:"url"`
	OrgID    string `json:"orgID"`
	BucketID string `json:"bucketID"`
}

// ensureScrapers makes the organisation's scrapers those of the plan, and
// deletes those of ours that are in it no more.
func (s *Server) ensureScrapers(ctx context.Context) error {
	var found struct{ Configurations []scraper }
	if err := s.api.call(ctx, http.MethodGet, "/api/v2/scrapers", url.Values{"orgID": {s.orgID}}, nil, &found); err != nil {
		return err
	}
	have := map[string]scraper{}
	for _, old := range found.Configurations {
		if !strings.HasPrefix(old.Name, scraperPrefix) || old.OrgID != s.orgID {
			continue
		}
		if _, twice := have[old.Name]; twice || !s.planned(old.Name) {
			if err := s.call(ctx, http.MethodDelete, old.ID, nil); err != nil {
				return fmt.Errorf("delete %q: %w", old.Name, err)
			}
			s.log.Info("scraper deleted", "scraper", old.Name, "url", redacted(old.URL))
			continue
		}
		have[old.Name] = old
	}
	for _, want := range s.plan.Scrapers {
		name := scraperPrefix + want.Name
		target := scraper{
			ID: have[name].ID, Name: name, Type: "prometheus", URL: want.URL, OrgID: s.orgID, BucketID: s.buckets[want.Bucket].ID,
		}
		if have[name] == target {
			continue
		}
		method := http.MethodPost
		if target.ID != "" {
			method = http.MethodPatch
		}
		if err := s.call(ctx, method, target.ID, target); err != nil {
			return fmt.Errorf("%q: %w", want.Name, err)
		}
		s.log.Info("InfluxDB scrapes", "scraper", name, "url", redacted(want.URL), "bucket", want.Bucket,
			"before", cmp.Or(redacted(have[name].URL), "nothing"))
	}
	return nil
}

func (s *Server) planned(name string) bool {
	for _, want := range s.plan.Scrapers {
		if scraperPrefix+want.Name == name {
			return true
		}
	}
	return false
}

func (s *Server) call(ctx context.Context, method, id string, body any) error {
	path := "/api/v2/scrapers"
	if id != "" {
		path += "/" + id
	}
	err := s.api.call(ctx, method, path, nil, body, nil)
	if method == http.MethodDelete && refused(err, http.StatusNotFound) {
		return nil
	}
	return err
}

// redacted is an address without its password.
func redacted(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "an unreadable address"
	}
	return u.Redacted()
}
