package main

import (
	"context"
	"maps"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"colorstream/worker/source"
	"colorstream/worker/store"
)

// measureEvery is how often owned partitions are measured.
const measureEvery = 2 * time.Second

// owned is a partition that is this worker's.
type owned struct {
	store    *store.Redis
	commits  *committer
	from     int64 // entries that had been added to the stream when it was acquired, 0: not known
	measured bool
	info     source.Info
}

// measure looks at the owned partitions' streams now and then.
func (p *partitions) measure(ctx context.Context) {
	for source.Sleep(ctx, measureEvery) {
		p.mu.Lock()
		keys := make(map[string]*owned, len(p.owned))
		maps.Copy(keys, p.owned)
		p.mu.Unlock()
		for key, o := range keys {
			info, err := source.Look(ctx, p.client, key)
			p.mu.Lock()
			o.info, o.measured = info, err == nil
			p.mu.Unlock()
		}
	}
}

// lag is how far the last commit is behind the stream's newest entry, in time and in messages. An
// entry that was not read yet is taken to hold as many as those before it.
func (o *owned) lag() (seconds, messages float64) {
	at := o.commits.reached.Load()
	if at == nil {
		return 0, 0
	}
	seconds = max(0, float64(o.info.LastMS-source.Milliseconds(at.ID))/1000)
	if at.Entries == 0 || o.info.Added <= at.Entries {
		return seconds, 0
	}
	messages = float64(o.info.Added - at.Entries)
	if entries := at.Entries - o.from; entries > 0 {
		messages *= float64(o.commits.messages.Load()) / float64(entries)
	}
	return seconds, messages
}

// A partitionCollector shows whose partitions are, and how far behind.
type partitionCollector struct{ p *partitions }

var (
	ownedDesc   = desc("partition_owned", "1 if the partition is this worker's, else 0.", "partition")
	entriesDesc = desc("partition_entries", "Entries in the partition's stream, of its owner.",
		"partition")
	backlogDesc = desc("partition_backlog_messages",
		"Messages of the partition's stream that are in no commit yet, about, of its owner.", "partition")
	lagDesc = desc("partition_lag_seconds",
		"Seconds from the last commit's entry to the newest one, of the partition's owner.", "partition")
)

// Describe implements prometheus.Collector.
func (c partitionCollector) Describe(out chan<- *prometheus.Desc) {
	out <- ownedDesc
	out <- entriesDesc
	out <- backlogDesc
	out <- lagDesc
}

// Collect implements prometheus.Collector.
func (c partitionCollector) Collect(out chan<- prometheus.Metric) {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	for _, key := range store.Streams(c.p.cfg.Channel, c.p.cfg.Partitions) {
		gauge := func(d *prometheus.Desc, value float64) {
			out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, key)
		}
		o := c.p.owned[key]
		if o == nil {
			gauge(ownedDesc, 0)
			continue
		}
		gauge(ownedDesc, 1)
		if !o.measured {
			continue
		}
		seconds, messages := o.lag()
		gauge(entriesDesc, float64(o.info.Entries))
		gauge(backlogDesc, messages)
		gauge(lagDesc, seconds)
	}
}

// stats sums up what the owned partitions' stores hold.
func (p *partitions) stats() (sum store.Stats) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, o := range p.owned {
		one := o.store.Stats()
		sum.Bytes += one.Bytes
		sum.Batches += one.Batches
		sum.LetterBatches += one.LetterBatches
		sum.DroppedPoints += one.DroppedPoints
		sum.DroppedLetters += one.DroppedLetters
		if !one.Oldest.IsZero() && (sum.Oldest.IsZero() || one.Oldest.Before(sum.Oldest)) {
			sum.Oldest = one.Oldest
		}
	}
	return sum
}
