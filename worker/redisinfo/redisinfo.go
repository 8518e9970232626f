// Package redisinfo shows what Redis says of itself and of the channel, as metrics: Redis has none of its own.
//
// Redis is asked every ten seconds, two short commands in one round trip. While it does not answer there are no metrics,
// rather than old ones; it is not this package that complains.
package redisinfo

import (
	"context"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// every is the time between two questions, timeout that which Redis has for an answer.
const (
	every   = 10 * time.Second
	timeout = 2 * time.Second
)

var (
	subscribersDesc = prometheus.NewDesc("colorstream_redis_subscribers",
		"Subscribers of the channel, the worker among them.", nil, nil)
	memoryDesc = prometheus.NewDesc("colorstream_redis_memory_bytes", "Memory that Redis uses for data and buffers.", nil, nil)
	maxDesc    = prometheus.NewDesc("colorstream_redis_memory_max_bytes", "Redis's own limit of it (maxmemory), 0 for none.", nil, nil)
)

// answer is what Redis said.
type answer struct{ subscribers, memory, most float64 }

// An Asker asks one Redis. It is a prometheus.Collector.
type Asker struct {
	log     *slog.Logger
	client  *redis.Client
	channel string
	running sync.WaitGroup

	mu     sync.Mutex
	answer *answer // nil if there was none lately
}

// New makes an Asker and registers it.
func New(log *slog.Logger, client *redis.Client, channel string, registry prometheus.Registerer) *Asker {
	a := &Asker{log: log, client: client, channel: channel}
	registry.MustRegister(a)
	return a
}

// Start asks until ctx ends; Wait waits for that.
func (a *Asker) Start(ctx context.Context) { a.running.Go(func() { a.run(ctx) }) }

// Wait returns when nothing is asked any more.
func (a *Asker) Wait() { a.running.Wait() }

func (a *Asker) run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		found, err := a.ask(ctx)
		if err != nil {
			a.log.Debug("Redis cannot be asked how it is", "error", err)
		}
		a.mu.Lock()
		a.answer = found
		a.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (a *Asker) ask(ctx context.Context) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	pipe := a.client.Pipeline()
	subscribers := pipe.PubSubNumSub(ctx, a.channel)
	info := pipe.Info(ctx, "memory")
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, err
	}
	return &answer{
		float64(subscribers.Val()[a.channel]), number(info.Val(), "used_memory"), number(info.Val(), "maxmemory"),
	}, nil
}

// number reads a line name:number of INFO's answer, 0 if it is not there.
func number(info, name string) float64 {
	for line := range strings.Lines(info) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok && key == name {
			n, _ := strconv.ParseFloat(value, 64) // 0 if it is none
			return n
		}
	}
	return 0
}

// Describe implements prometheus.Collector.
func (a *Asker) Describe(descs chan<- *prometheus.Desc) {
	descs <- subscribersDesc
	descs <- memoryDesc
	descs <- maxDesc
}

// Collect implements prometheus.Collector.
func (a *Asker) Collect(metrics chan<- prometheus.Metric) {
	a.mu.Lock()
	found := a.answer
	a.mu.Unlock()
	if found == nil {
		return
	}
	for desc, value := range map[*prometheus.Desc]float64{subscribersDesc: found.subscribers, memoryDesc: found.memory, maxDesc: found.most} {
		metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
}
