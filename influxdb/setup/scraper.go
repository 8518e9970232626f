package setup

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
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

// ensureScrapers makes this stack's scrapers those of its plan. What another scraper reads into the
// same bucket is not read twice.
func (s *server) ensureScrapers(ctx context.Context) error {
	found, err := s.api.list(ctx, "/api/v2/scrapers", url.Values{"orgID": {s.orgID}})
	if err != nil {
		return err
	}
	wanted := map[Scraper]bool{}
	for _, w := range s.plan.Scrapers {
		wanted[s.marked(w)] = true
	}
	have := map[Scraper]bool{}
	for _, old := range found {
		key := Scraper{old.Name, old.URL, old.BucketID}
		isOurs := strings.HasPrefix(old.Name, s.mark) && old.OrgID == s.orgID
		switch {
		case !isOurs:
			key.Name = ""
			have[key] = true
		case wanted[key] && !have[key]:
			have[key] = true
		default:
			if err := s.api.remove(ctx, "/api/v2/scrapers/"+old.ID); err != nil {
				return fmt.Errorf("delete %q: %w", old.Name, err)
			}
			s.log.Info("scraper deleted", "scraper", old.Name, "url", redacted(old.URL))
		}
	}
	for _, w := range s.plan.Scrapers {
		key := s.marked(w)
		if have[key] || have[Scraper{URL: key.URL, Bucket: key.Bucket}] {
			continue
		}
		err := s.api.call(ctx, http.MethodPost, "/api/v2/scrapers", nil, map[string]any{
			"name": key.Name, "type": "prometheus", "url": key.URL, "orgID": s.orgID,
			"bucketID": key.Bucket,
		}, nil)
		if err != nil {
			return fmt.Errorf("make %q: %w", key.Name, err)
		}
		s.log.Info("InfluxDB scrapes", "scraper", key.Name, "url", redacted(key.URL))
	}
	return nil
}

// marked is a scraper as InfluxDB has it: with the stack's mark, and the bucket's id.
func (s *server) marked(w Scraper) Scraper {
	return Scraper{s.mark + w.Name + " " + s.plan.Buckets[0].Name, w.URL, s.buckets[w.Bucket]}
}
