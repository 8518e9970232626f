package setup

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// bucket is one as the API shows it.
type bucket struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	RetentionRules []rule `json:"retentionRules"`
}

type rule struct {
	Type         string `json:"type"`
	EverySeconds int64  `json:"everySeconds"`
	ShardSeconds int64  `json:"shardGroupDurationSeconds,omitempty"`
}

func (b bucket) retention() time.Duration {
	for _, r := range b.RetentionRules {
		return time.Duration(r.EverySeconds) * time.Second
	}
	return 0
}

// rules gives InfluxDB's own defaults for the time that a shard spans. They
// must go with a changed retention, which may not be shorter than a shard.
func rules(retention time.Duration) []rule {
	const day = 24 * time.Hour
	shard := 7 * day
	switch {
	case retention == 0:
	case retention < 2*day:
		shard = time.Hour
	case retention <= 180*day:
		shard = day
	}
	return []rule{{"expire", int64(retention / time.Second), int64(shard / time.Second)}}
}

func (s *Server) ensureBucket(ctx context.Context, want Bucket) error {
	have, err := s.api.buckets(ctx, url.Values{"orgID": {s.orgID}, "name": {want.Name}})
	if err != nil {
		return err
	}
	if len(have) == 0 {
		var made bucket
		err := s.api.call(ctx, http.MethodPost, "/api/v2/buckets", nil, map[string]any{
			"orgID": s.orgID, "name": want.Name, "retentionRules": rules(want.Retention),
		}, &made)
		if err != nil {
			return err
		}
		s.log.Info("bucket made", "bucket", want.Name, "retention", Forever(want.Retention))
		s.buckets[want.Name] = made
		return nil
	}
	b := have[0]
	s.buckets[want.Name] = b
	if b.retention() == want.Retention {
		return nil
	}
	err = s.api.call(ctx, http.MethodPatch, "/api/v2/buckets/"+b.ID, nil, map[string]any{
		"retentionRules": rules(want.Retention),
	}, nil)
	if err != nil {
		return err
	}
	s.log.Info("retention changed", "bucket",
		want.Name, "from", Forever(b.retention()), "to", Forever(want.Retention))
	return nil
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

// Forever prints a retention.
type Forever time.Duration

func (f Forever) String() string {
	if f == 0 {
		return "forever"
	}
	return time.Duration(f).String()
}
