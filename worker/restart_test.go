package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/influxdb/influxtest"
)

// TestStreamCrashes kills the worker at random moments while messages come, and InfluxDB and Redis
// now and then: in the end the bucket equals, point for point, what a naive program computes from
// the stream.
func TestStreamCrashes(t *testing.T) {
	t.Parallel()
	const width = time.Second
	db := influxtest.Start(t)
	r := newRig(t, db, "--appendonly", "yes", "--appendfsync", "always")
	r.stream(1)
	r.moreStatistics()
	// The stream is the oracle's input.
	r.set("WORKER_WINDOW="+width.String(), "WORKER_LATENESS=2s", "REDIS_STREAM_KEEP=1h")
	stopWatching := r.watch()
	generator := r.start("generator", "GENERATOR_RATE=5000")
	stop := r.addMixed()
	random := rand.New(rand.NewPCG(7, 7))
	kills := times(20)
	for i := range kills {
		w := r.start("worker")
		run := 200*time.Millisecond + time.Duration(random.IntN(1000))*time.Millisecond
		if i%2 == 1 {
			run += lease // or it would never own the stream
		}
		time.Sleep(run)
		switch {
		case i%15 == 5:
			db.Stop(t)
		case i%15 == 10:
			db.Restart(t)
		case i%5 == 3:
			r.redis.Kill()
			r.redis.Restart()
		}
		w.kill()
	}
	db.Restart(t)
	generator.stop()
	stop()
	r.start("worker")
	c := r.contents(width)
	r.want(r.naive(c.values)) // which are all complete: a stream loses nothing
	stopWatching()
	t.Logf("%d kills, %d messages, %d points compared", kills, c.messages, len(c.values))
}

// addMixed adds messages half of which carry times of their own, half a second old.
func (r *rig) addMixed() (stop func()) {
	quit := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Go(func() {
		random := rand.New(rand.NewPCG(3, 3))
		for {
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
			// Redis may be away. What was added is in the stream.
			_, _ = r.client.Pipelined(r.t.Context(), func(p redis.Pipeliner) error {
				for range 10 {
					var lines []string
					for range 1 + random.IntN(5) {
						line := fmt.Sprintf(`{"color":"c%d","value":%d`, random.IntN(4), random.IntN(1000))
						if random.IntN(2) == 0 {
							line += fmt.Sprintf(`,"ts":%d`, time.Now().UnixMilli()-500-random.Int64N(200))
						}
						lines = append(lines, line+"}")
					}
					p.XAdd(r.t.Context(), &redis.XAddArgs{
						Stream: "colors", Values: []any{"m", strings.Join(lines, "\n")},
					})
				}
				return nil
			})
		}
	})
	return func() { close(quit); publisher.Wait() }
}
