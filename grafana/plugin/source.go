package main

import (
	"context"
	"log/slog"
	"sync"

	"github.com/grafana/grafana-plugin-sdk-go/backend"

	"colorstream/grafana/plugin/live"
	"colorstream/grafana/plugin/redis"
	"colorstream/influxdb/series"
)

// A source is one data source with its settings. When they change, Grafana's SDK makes another, and
// Grafana ends the streams of this one.
type source struct {
	uid        string
	redis      *redis.Source
	live       *live.Aggregator
	statistics series.Statistics // of the rows

	// begun is, for each channel, up to which row its newest subscriber had initial data.
	begun sync.Map
}

var (
	_ backend.QueryDataHandler   = (*source)(nil)
	_ backend.StreamHandler      = (*source)(nil)
	_ backend.CheckHealthHandler = (*source)(nil)
)

func open(log *slog.Logger, from backend.DataSourceInstanceSettings) (*source, error) {
	set, limits, err := readSettings(from)
	if err != nil {
		return nil, err
	}
	receiver, err := redis.New(log, set)
	if err != nil {
		return nil, err
	}
	receive := func(ctx context.Context, partition func() *live.Partition) {
		receiver.Run(ctx, func() redis.Sink { return partition() })
	}
	return &source{
		uid: from.UID, redis: receiver, live: live.NewAggregator(limits, receive),
		statistics: limits.Statistics,
	}, nil
}
