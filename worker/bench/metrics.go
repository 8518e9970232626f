package main

import (
	"context"
	"time"
)

// readers are the worker alone, and the worker whose metrics are read once a second, ten times as often as InfluxDB
// does. The first is what the second is compared with.
var readers = []contender{
	{name: "worker, metrics not read", transport: "pubsub", fraction: 1, command: workerCommand, received: workerReceived},
	{name: "worker, metrics read every second", transport: "pubsub", fraction: 1, command: workerCommand, received: workerReceived, during: readEverySecond},
}

func readEverySecond(ctx context.Context, b *bench) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
			_, _ = workerReceived(b) // what matters is that the worker has answered
		}
	}
}
