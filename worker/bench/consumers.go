package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// report is what a consumer prints when it is asked to end.
type report struct {
	Received int64 `json:"received"` // messages, or -1 if it does not tell them apart
	Last     int64 `json:"last"`     // when the last one came, ns since 1970
}

// reportAtTerm watches a consumer's count and prints it when the process is asked to end.
func reportAtTerm(count *atomic.Int64, received func(count int64) int64) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGTERM)
	seen, last := int64(0), time.Now()
	for {
		select {
		case <-ended:
			_ = json.NewEncoder(os.Stdout).Encode(report{received(seen), last.UnixNano()}) // the parent counts on it
			os.Exit(0)
		case <-time.After(2 * time.Millisecond):
			if n := count.Load(); n != seen {
				seen, last = n, time.Now()
			}
		}
	}
}

// consumeRaw subscribes by hand and throws away what comes: what the socket and the kernel cost. It cannot tell
// messages apart and reports none.
func consumeRaw(address, channel string) error {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(conn, "SUBSCRIBE %s\r\n", channel); err != nil {
		return err
	}
	var bytes atomic.Int64
	go reportAtTerm(&bytes, func(int64) int64 { return -1 })
	for buffer := make([]byte, 512<<10); ; {
		n, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		bytes.Add(int64(n))
	}
}

// consumeGoRedis is a bare go-redis Receive loop, with the library's defaults.
func consumeGoRedis(url, channel string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		return err
	}
	ctx := context.Background()
	sub := redis.NewClient(options).Subscribe(ctx, channel)
	var received atomic.Int64
	go reportAtTerm(&received, func(n int64) int64 { return n })
	for {
		m, err := sub.Receive(ctx)
		if err != nil {
			return err
		}
		if _, ok := m.(*redis.Message); ok {
			received.Add(1)
		}
	}
}
