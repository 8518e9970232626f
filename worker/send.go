package main

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"
	"github.com/influxdata/influxdb-client-go/v2/api"

	"colorstream/worker/spool"
)

// A sender writes what the spool holds to InfluxDB, oldest first, and tries again until InfluxDB has it.
type sender struct {
	log     *slog.Logger
	api     api.WriteAPIBlocking
	queue   *spool.Spool
	m       *metrics
	problem atomic.Value
}

func newSender(log *slog.Logger, cfg config, queue *spool.Spool, m *metrics) (*sender, error) {
	client := influxdb2.NewClient(cfg.InfluxURL, cfg.InfluxToken)
	return &sender{log: log, api: client.WriteAPIBlocking(cfg.InfluxOrg, cfg.InfluxBucket), queue: queue, m: m}, nil
}

func (s *sender) Problem() string {
	p, _ := s.problem.Load().(string)
	return p
}

// Run sends until ctx has ended and the spool is empty, or five seconds have passed.
func (s *sender) Run(ctx context.Context) {
	late, cancel := within(ctx, flushTime)
	defer cancel()
	for late.Err() == nil {
		wait := late
		if ctx.Err() != nil {
			if s.queue.Stats().Records == 0 {
				return
			}
		} else {
			wait = ctx
		}
		record, err := s.queue.Next(wait)
		if err != nil {
			continue
		}
		for late.Err() == nil {
			start := time.Now()
			err := s.api.WriteRecord(late, string(record.Data))
			s.m.writeSeconds.Observe(time.Since(start).Seconds())
			if err == nil {
				s.m.lastWrite.SetToCurrentTime()
				s.queue.Done(record.ID)
				break
			}
			s.problem.Store(err.Error())
			s.log.Warn("InfluxDB does not take points", "error", err)
			time.Sleep(time.Second)
		}
	}
}
