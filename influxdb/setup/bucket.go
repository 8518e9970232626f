package setup

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// bucket is one as the API shows it.
type bucket struct {
	ID             string
	RetentionRules []struct{ EverySeconds int64 }
}

func (s *server) ensureBucket(ctx context.Context, want Bucket) error {
	have, err := s.api.buckets(ctx, url.Values{"orgID": {s.orgID}, "name": {want.Name}})
	if err != nil {
		return err
	}
	// InfluxDB chooses anew how long a shard is, which may not be longer than the retention.
	rules := []map[string]any{{
		"type": "expire", "everySeconds": int64(want.Retention / time.Second),
		"shardGroupDurationSeconds": 0,
	}}
	if len(have) == 0 {
		var made bucket
		err := s.api.call(ctx, http.MethodPost, "/api/v2/buckets", nil, map[string]any{
			"orgID": s.orgID, "name": want.Name, "retentionRules": rules,
		}, &made)
		if err == nil {
			s.log.Info("bucket made", "bucket", want.Name, "retention", want.Retention)
			s.buckets[want.Name] = made
		}
		return err
	}
	b := have[0]
	s.buckets[want.Name] = b
	var retention time.Duration
	for _, rule := range b.RetentionRules {
		retention = time.Duration(rule.EverySeconds) * time.Second
	}
	if retention == want.Retention {
		return nil
	}
	err = s.api.call(ctx, http.MethodPatch, "/api/v2/buckets/"+b.ID, nil,
		map[string]any{"retentionRules": rules}, nil)
	if err == nil {
		s.log.Info("retention changed",
			"bucket", want.Name, "from", retention, "to", want.Retention)
	}
	return err
}

// buckets lists what the client's token or session may read. One page is enough for all uses here.
func (c client) buckets(ctx context.Context, query url.Values) ([]bucket, error) {
	var found struct{ Buckets []bucket }
	err := c.call(ctx, http.MethodGet, "/api/v2/buckets", query, nil, &found)
	if hasStatus(err, http.StatusNotFound) {
		return nil, nil
	}
	return found.Buckets, err
}
