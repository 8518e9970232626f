package main

import (
	"log/slog"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/grafana/plugin/redis"
	"colorstream/grafana/plugin/subscription"
	"colorstream/influxdb/series"
)

// A source is one data source with its settings. When they change, Grafana's SDK makes another, and
// Grafana ends the streams of this one.
type source struct {
	uid          string
	redis        *redis.Source
	subscription *subscription.Subscription
	statistics   series.Statistics // of the rows

	// begun is, for each channel, up to which row its newest subscriber had initial data.
	begun sync.Map
}

var (
	_ backend.QueryDataHandler   = (*source)(nil)
	_ backend.StreamHandler      = (*source)(nil)
	_ backend.CheckHealthHandler = (*source)(nil)
)

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
		statistics: set.limits.Statistics,
	}, nil
}
