package main

import (
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"colorstream/generator/message"
)

// publish publishes n messages over a channel, or as entries of streams in turn: random whole numbers
// of four colours, as the generator's.
func (c consumer) publish(ctx context.Context, client *redis.Client, keys []string, n int64) error {
	per := c.per
	random := rand.New(rand.NewPCG(1, 1))
	payloads := make([]string, 512)
	for i := range payloads {
		var lines []string
		for range per {
			m := message.Message{
				Color: []string{"red", "blue", "green", "yellow"}[random.IntN(4)],
				Name:  "value_name", Value: float64(1 + random.IntN(100)),
			}
			lines = append(lines, string(m.AppendJSON(nil)))
		}
		payloads[i] = strings.Join(lines, "\n")
	}
	const together = 1024 // messages in one pipeline
	start := time.Now()
	for sent := int64(0); sent < n; {
		if c.rate > 0 {
			time.Sleep(time.Until(start.Add(time.Duration(float64(sent) / c.rate * 1e9))))
		}
		_, err := client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i := int64(0); i < max(together/per, 1) && sent < n; i++ {
				payload := payloads[(sent/per)%int64(len(payloads))]
				if c.partitions > 0 {
					p.Do(ctx, "xadd", keys[(sent/per)%int64(len(keys))], "*", "m", payload)
				} else {
					p.Do(ctx, "publish", channel, payload)
				}
				sent += per
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
