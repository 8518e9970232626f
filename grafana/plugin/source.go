package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"
	"github.com/grafana/grafana-plugin-sdk-go/backend/instancemgmt"

	"colorstream/grafana/plugin/channel"
	"colorstream/grafana/plugin/redis"
	"colorstream/grafana/plugin/subscription"
	"colorstream/influxdb/series"
)

// A source is one data source with its settings. When they change, Grafana's SDK makes another and
// disposes of this one.
type source struct {
	uid          string
	redis        *redis.Source
	subscription *subscription.Subscription
	statistics   series.Statistics // of the rows

	mu sync.Mutex
	// begun is, for each channel, up to which row its newest subscriber had initial data.
	begun map[string]uint64
}

var (
	_ backend.QueryDataHandler      = (*source)(nil)
	_ backend.StreamHandler         = (*source)(nil)
	_ backend.CheckHealthHandler    = (*source)(nil)
	_ instancemgmt.InstanceDisposer = (*source)(nil)
)

func newSource(_ context.Context, from backend.DataSourceInstanceSettings) (instancemgmt.Instance, error) {
	return open(slog.New(logHandler{log: backend.NewLoggerWith("dsUid", from.UID)}), from)
}

func open(log *slog.Logger, from backend.DataSourceInstanceSettings) (*source, error) {
	set, err := readSettings(from)
	if err != nil {
		return nil, err
	}
	receiver, err := redis.New(log, set.redis)
	if err != nil {
		return nil, err
	}
	return &source{
		uid: from.UID, redis: receiver, subscription: subscription.New(receiver, set.limits),
		statistics: set.limits.Statistics, begun: make(map[string]uint64),
	}, nil
}

// Dispose ends what the source holds by itself. Grafana ends its streams.
func (s *source) Dispose() { s.subscription.Close() }

// columns are the colours in a query's frames.
func (s *source) columns(q channel.Query) []string {
	if len(q.Colors) > 0 {
		return q.Colors
	}
	return s.subscription.Buffer.Colors()
}
